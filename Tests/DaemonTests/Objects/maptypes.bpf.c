// A map of each type that a program needs nothing more for, and one function that names them.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct flow {
    __u32 address;
    __u16 port;
};

struct traffic {
    __u64 packets;
    __u64 bytes;
};

struct named {
    char name[16];
};

struct prefix {
    __u32 bits;
    __u8 address[4];
};

volatile __u64 total = 0;
volatile __u32 port = 8080;
const volatile __u32 limit = 5;

#define MAP(map, kind, entries, key_type, value_type)                                             \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_##kind);                                                        \
        __uint(max_entries, entries);                                                             \
        __type(key, key_type);                                                                    \
        __type(value, value_type);                                                                \
    } map SEC(".maps")

MAP(hash, HASH, 1000, __u32, struct traffic);
MAP(big, HASH, 200000, __u32, __u64);
MAP(flows, HASH, 100, struct flow, __u32);
MAP(names, HASH, 100, struct named, __u64);
MAP(array, ARRAY, 10, __u32, __u64);
MAP(percpu_hash, PERCPU_HASH, 100, __u32, struct traffic);
MAP(percpu_array, PERCPU_ARRAY, 4, __u32, __u64);
MAP(lru_hash, LRU_HASH, 1000, __u32, __u64);
MAP(lru_percpu_hash, LRU_PERCPU_HASH, 1000, __u32, __u64);

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 100);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct prefix);
    __type(value, __u32);
} lpm SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 3);
    __type(value, __u32);
} queue SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_STACK);
    __uint(max_entries, 3);
    __type(value, __u32);
} stack SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
    __uint(max_entries, 100);
    __type(value, __u32);
} bloom SEC(".maps");

struct inner {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10);
    __type(key, __u32);
    __type(value, __u64);
} inner_one SEC(".maps"), inner_two SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, __u32);
    __array(values, struct inner);
} outer SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, __u32);
    __array(values, struct inner);
} outers SEC(".maps");

MAP(calls, PROG_ARRAY, 4, __u32, __u32);
MAP(cgroups, CGROUP_ARRAY, 4, __u32, __u32);
MAP(perf, PERF_EVENT_ARRAY, 4, __u32, __u32);
MAP(devices, DEVMAP, 4, __u32, __u32);
MAP(device_hash, DEVMAP_HASH, 4, __u32, __u32);
MAP(cpus, CPUMAP, 4, __u32, __u32);
MAP(xsks, XSKMAP, 4, __u32, __u32);
MAP(sockets, SOCKMAP, 4, __u32, __u64);
MAP(socket_hash, SOCKHASH, 4, __u32, __u64);

struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 64);
    __uint(key_size, 4);
    __uint(value_size, 127 * 8);
} stacks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

#define STORAGE(map, kind)                                                                        \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_##kind);                                                        \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                     \
        __type(key, int);                                                                         \
        __type(value, __u64);                                                                     \
    } map SEC(".maps")

STORAGE(tasks, TASK_STORAGE);
STORAGE(inodes, INODE_STORAGE);
STORAGE(socks, SK_STORAGE);

SEC("raw_tracepoint/sched_switch")
int sample(void *context)
{
    __u32 key = bpf_get_stackid(context, &stacks, 0);
    __u64 *count = bpf_map_lookup_elem(&array, &key);
    if (count)
        *count += limit;
    total++;
    return port != 0;
}

SEC("raw_tracepoint/sched_switch")
int other(void *context)
{
    return 0;
}
