// A helper that may sleep, where nothing may.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u64 value = 0;

    bpf_copy_from_user(&value, sizeof(value), context);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
