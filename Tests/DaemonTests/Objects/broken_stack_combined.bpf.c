// Two functions whose frames together are too large.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) __u64 inner(__u64 start)
{
    __u64 frame[40];

    __builtin_memset(frame, 1, sizeof(frame));
    frame[bpf_get_prandom_u32() & 31] = 2;
    return frame[0] + frame[39] + start;
}

SEC("xdp")
int broken(struct xdp_md *context)
{
    __u64 frame[40];

    __builtin_memset(frame, 1, sizeof(frame));
    frame[bpf_get_prandom_u32() & 31] = 2;
    return inner(frame[0]) + frame[1];
}

char LICENSE[] SEC("license") = "GPL";
