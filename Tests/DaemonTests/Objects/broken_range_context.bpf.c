// Behind the end of the context.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int broken(struct xdp_md *context)
{
    return ((__u32 *)context)[100] ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
