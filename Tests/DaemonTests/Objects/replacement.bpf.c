// A function that can be replaced, and one to put in its place.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 replaced = 0;

__attribute__((noinline)) int verdict(struct xdp_md *context)
{
    volatile int result = XDP_PASS;
    return result;
}

SEC("?xdp")
int on_packet(struct xdp_md *context)
{
    return verdict(context);
}

SEC("?freplace/verdict")
int other_verdict(struct xdp_md *context)
{
    __sync_fetch_and_add(&replaced, 1);
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
