// Maps of redirection, whose values name functions, and a prog array of XDP functions.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_CPUMAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __uint(value_size, 4);
} calls SEC(".maps");

SEC("xdp")
int first(struct xdp_md *packet)
{
    bpf_tail_call(packet, &calls, 1);
    return bpf_redirect_map(&cpus, 0, 0);
}

SEC("xdp")
int second(struct xdp_md *packet)
{
    return bpf_redirect_map(&devices, 0, 0);
}

SEC("xdp/cpumap")
int on_cpu(struct xdp_md *packet)
{
    return XDP_PASS;
}

SEC("xdp/devmap")
int on_device(struct xdp_md *packet)
{
    return XDP_PASS;
}

SEC("tcx/ingress")
int of_another_type(struct __sk_buff *packet)
{
    return 0;
}
