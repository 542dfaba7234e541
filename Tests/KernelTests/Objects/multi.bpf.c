// Functions for kinds that kernels before 6.6 lack: kept apart, so that the others load there.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 5);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 5);
    __type(key, __u32);
    __type(value, __u64);
} cookies SEC(".maps");

__u32 thread = 0;

SEC("uprobe.multi")
int on_many(void *context) {
    __u32 slot = 0;
    if ((__u32)bpf_get_current_pid_tgid() != thread)
        return 0;
    __u64 *value = bpf_map_lookup_elem(&counts, &slot);
    __u64 *cookie = bpf_map_lookup_elem(&cookies, &slot);
    if (!value || !cookie)
        return 0;
    *value += 1;
    *cookie = bpf_get_attach_cookie(context);
    return 0;
}

struct bpf_iter_meta {
    struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
} __attribute__((preserve_access_index));

SEC("iter/bpf_map")
int each_map(struct bpf_iter__bpf_map *context) {
    if (!context->map)
        return 0;
    static const char line[] = "a map\n";
    bpf_seq_write(context->meta->seq, line, sizeof(line) - 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
