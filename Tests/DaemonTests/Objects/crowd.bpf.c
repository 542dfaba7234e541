// For a tracepoint that no other test attaches to.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getsid")
int here(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
