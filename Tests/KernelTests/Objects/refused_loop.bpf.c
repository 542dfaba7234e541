// The verifier refuses the second function: its loop has no end.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile __u64 turns = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int sound(void *context)
{
    return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int endless(void *context)
{
    while (turns != 1)
        turns += 2;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
