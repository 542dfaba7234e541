// A function that calls itself.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int inner(__u64 turns)
{
    int below = 0;

    if (turns & bpf_get_prandom_u32())
        below = inner(turns >> 1);
    asm volatile("" : "+r"(below));
    return below + 1;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    return inner(bpf_get_prandom_u32());
}

char LICENSE[] SEC("license") = "GPL";
