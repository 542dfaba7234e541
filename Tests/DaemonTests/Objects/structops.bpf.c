// A TCP congestion control that counts the connections which begin with it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct sock;
struct rate_sample;

struct tcp_congestion_ops {
    __u32 (*ssthresh)(struct sock *sk);
    void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
    __u32 (*undo_cwnd)(struct sock *sk);
    void (*init)(struct sock *sk);
    char name[16];
} __attribute__((preserve_access_index));

__u64 connections = 0;

SEC("struct_ops/counting_init")
void counting_init(__u64 *context)
{
    __sync_fetch_and_add(&connections, 1);
}

SEC("struct_ops/counting_ssthresh")
__u32 counting_ssthresh(__u64 *context)
{
    return 10;
}

SEC("struct_ops/counting_undo_cwnd")
__u32 counting_undo_cwnd(__u64 *context)
{
    return 10;
}

SEC("struct_ops/counting_cong_avoid")
void counting_cong_avoid(__u64 *context)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops counting = {
    .init = (void *)counting_init,
    .ssthresh = (void *)counting_ssthresh,
    .undo_cwnd = (void *)counting_undo_cwnd,
    .cong_avoid = (void *)counting_cong_avoid,
    .name = "apiary_count",
};

char LICENSE[] SEC("license") = "GPL";
