// A loop that the verifier sees no end of.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile __u64 turns = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    while (turns != 1)
        turns += 2;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
