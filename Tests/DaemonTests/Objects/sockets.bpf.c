// Counts what sockets in a map send and receive; those of a cgroup come into the map by themselves,
// the side that connects at 0, the other at 1.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

__u64 messages = 0;
__u64 packets = 0;

SEC("sockops")
int on_established(struct bpf_sock_ops *socket)
{
    __u32 key = socket->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
    if (key || socket->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
        bpf_sock_map_update(socket, &sockets, &key, BPF_ANY);
    return 1;
}

SEC("sk_msg")
int on_message(struct sk_msg_md *message)
{
    __sync_fetch_and_add(&messages, 1);
    return SK_PASS;
}

SEC("sk_msg")
int on_message_too(struct sk_msg_md *message)
{
    __sync_fetch_and_add(&messages, 1000);
    return SK_PASS;
}

SEC("sk_skb/stream_parser")
int on_bytes(struct __sk_buff *packet)
{
    return packet->len;
}

SEC("sk_skb/stream_verdict")
int on_packet(struct __sk_buff *packet)
{
    __sync_fetch_and_add(&packets, 1);
    return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
