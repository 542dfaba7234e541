// A lock that is not given back.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct cell {
    struct bpf_spin_lock lock;
    __u64 count;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct cell);
} cells SEC(".maps");

SEC("xdp")
int broken(struct xdp_md *context)
{
    __u32 key = 0;
    struct cell *cell = bpf_map_lookup_elem(&cells, &key);

    if (!cell)
        return XDP_PASS;
    bpf_spin_lock(&cell->lock);
    cell->count++;
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
