// A helper of another type of program.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int broken(struct xdp_md *context)
{
    return bpf_skb_store_bytes((void *)context, 0, context, 4, 0) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
