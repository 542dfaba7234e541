// A verdict that is none.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress")
int broken(struct __sk_buff *context)
{
    return 7;
}

char LICENSE[] SEC("license") = "GPL";
