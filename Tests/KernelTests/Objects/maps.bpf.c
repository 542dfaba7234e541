// Maps to read and write, and a program that holds them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 20000);
    __type(key, __u32);
    __type(value, __u64);
} table SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 100);
    __type(key, __u32);
    __type(value, __u64);
} row SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 16);
    __uint(key_size, 6);
    __uint(value_size, 12);
} each_cpu SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 4);
    __uint(value_size, 4);
} line SEC(".maps");

SEC("tc")
int touch(struct __sk_buff *packet) {
    __u32 key = 1;
    char six[6] = {};
    __u32 number = 0;
    bpf_map_lookup_elem(&table, &key);
    bpf_map_lookup_elem(&row, &key);
    bpf_map_lookup_elem(&each_cpu, six);
    bpf_map_peek_elem(&line, &number);
    return 7;
}

char LICENSE[] SEC("license") = "GPL";
