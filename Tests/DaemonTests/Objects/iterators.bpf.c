// Iterators that print: a line for each map of the kernel, and one for each entry of a map.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id;
    __u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
    void *key;
    void *value;
} __attribute__((preserve_access_index));

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} numbers SEC(".maps");

static const char map_format[] = "map %llu\n";
static const char entry_format[] = "%u=%llu\n";

SEC("iter/bpf_map")
int each_map(struct bpf_iter__bpf_map *context)
{
    __u64 data[] = {context->meta->seq_num};
    if (context->map) {
        bpf_seq_printf(context->meta->seq, map_format, sizeof(map_format), data, sizeof(data));
    }
    return 0;
}

SEC("iter/bpf_map_elem")
int each_entry(struct bpf_iter__bpf_map_elem *context)
{
    __u32 *key = context->key;
    __u64 *value = context->value;
    if (!key || !value) return 0;
    __u64 data[] = {*key, *value};
    bpf_seq_printf(context->meta->seq, entry_format, sizeof(entry_format), data, sizeof(data));
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
