// One function for each kind that no other object has: each counts its runs in its own slot.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

static __always_inline void count(__u32 slot)
{
    __u64 *value = bpf_map_lookup_elem(&counts, &slot);
    if (value) __sync_fetch_and_add(value, 1);
}

SEC("?xdp")
int on_xdp(struct xdp_md *context)
{
    count(0);
    return XDP_PASS;
}

SEC("?xdp")
int on_xdp_too(struct xdp_md *context)
{
    count(1);
    return XDP_PASS;
}

SEC("?tc")
int on_tc(struct __sk_buff *packet)
{
    count(2);
    return -1;  // TCX_NEXT, TC_ACT_UNSPEC
}

SEC("?cgroup_skb/egress")
int on_cgroup(struct __sk_buff *packet)
{
    count(3);
    return 1;
}

SEC("?sk_lookup")
int on_lookup(struct bpf_sk_lookup *context)
{
    count(4);
    return 1;  // SK_PASS
}

SEC("?flow_dissector")
int on_dissect(struct __sk_buff *packet)
{
    return 0;
}

SEC("?sk_skb/stream_verdict")
int on_stream(struct __sk_buff *packet)
{
    return 1;  // SK_PASS
}

SEC("?sk_msg")
int on_message(struct sk_msg_md *context)
{
    return 1;  // SK_PASS
}

SEC("?perf_event")
int on_clock(void *context)
{
    count(5);
    return 0;
}

SEC("?kprobe")
int on_kprobe(void *context)
{
    count(6);
    return 0;
}

SEC("?kprobe.multi")
int on_kprobes(void *context)
{
    count(7);
    return 0;
}

SEC("?uprobe.multi")
int on_uprobes(void *context)
{
    count(8);
    return 0;
}

SEC("?netfilter")
int on_packet(void *context)
{
    count(9);
    return 1;  // NF_ACCEPT
}

SEC("?fentry/bpf_fentry_test1")
int on_fentry(void *context)
{
    count(10);
    return 0;
}

SEC("?fexit/bpf_fentry_test1")
int on_fexit(void *context)
{
    count(11);
    return 0;
}

SEC("?fmod_ret/bpf_modify_return_test")
int on_modify(void *context)
{
    count(12);
    return 0;
}

SEC("?lsm/syslog")
int on_lsm(void *context)
{
    count(13);
    return 0;
}

SEC("?tracepoint/syscalls/sys_enter_getpgid")
int on_tracepoint(void *context)
{
    count(14);
    return 0;
}

SEC("?raw_tp/sys_enter")
int on_raw(void *context)
{
    count(15);
    return 0;
}

SEC("?tp_btf/sys_enter")
int on_typed(void *context)
{
    count(11);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
