// A map of a million entries to dump, u32 -> 16 bytes; peers/dump.c fills it.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct traffic {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, __u32);
    __type(value, struct traffic);
} table SEC(".maps");

// Never attached; it makes the map part of a program.
SEC("raw_tracepoint/task_rename")
int touch(void *ctx)
{
    __u32 key = 0;
    return bpf_map_lookup_elem(&table, &key) != 0;
}
