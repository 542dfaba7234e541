// Counts system calls of one process by a raw tracepoint.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;
__u64 calls = 0;

SEC("raw_tracepoint/sys_enter")
int count(struct bpf_raw_tracepoint_args *context)
{
    if (bpf_get_current_pid_tgid() >> 32 == target_pid)
        __sync_fetch_and_add(&calls, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
