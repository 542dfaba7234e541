// A constant cannot be written.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u64 limit = 5;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    *(volatile __u64 *)&limit = 6;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
