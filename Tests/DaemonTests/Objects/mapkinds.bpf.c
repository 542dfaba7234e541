// Maps that hang on sockets, cgroups, files and processes, or that newer kernels have.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define MAP(map, kind, entries, key_type, value_type)                                             \
    struct {                                                                                      \
        __uint(type, kind);                                                                       \
        __uint(max_entries, entries);                                                             \
        __type(key, key_type);                                                                    \
        __type(value, value_type);                                                                \
    } map SEC(".maps")

MAP(sockets, BPF_MAP_TYPE_SOCKMAP, 4, __u32, __u64);
MAP(socket_hash, BPF_MAP_TYPE_SOCKHASH, 4, __u32, __u64);
MAP(blind_sockets, BPF_MAP_TYPE_SOCKMAP, 4, __u32, __u32);
MAP(listeners, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, __u32, __u64);
MAP(xsks, BPF_MAP_TYPE_XSKMAP, 4, __u32, __u32);
MAP(cgroups, BPF_MAP_TYPE_CGROUP_ARRAY, 4, __u32, __u32);

#define STORAGE(map, kind)                                                                        \
    struct {                                                                                      \
        __uint(type, kind);                                                                       \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                     \
        __type(key, int);                                                                         \
        __type(value, __u64);                                                                     \
    } map SEC(".maps")

STORAGE(of_sockets, BPF_MAP_TYPE_SK_STORAGE);
STORAGE(of_cgroups, 32);  // BPF_MAP_TYPE_CGRP_STORAGE, which Debian 12's headers lack.

#define CGROUP_STORAGE(map, kind)                                                                 \
    struct {                                                                                      \
        __uint(type, kind);                                                                       \
        __type(key, struct bpf_cgroup_storage_key);                                               \
        __type(value, __u64);                                                                     \
    } map SEC(".maps")

CGROUP_STORAGE(by_cgroup, BPF_MAP_TYPE_CGROUP_STORAGE);
CGROUP_STORAGE(by_cgroup_and_cpu, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);

struct command {
    __u32 number;
    char text[8];
};
// Its type is only in the BTF if something has it.
struct command last = {};

struct {
    __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
    __uint(max_entries, 4096);
} commands SEC(".maps");

struct {
    __uint(type, 33);  // BPF_MAP_TYPE_ARENA
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 2);
} arena SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2);
    __uint(map_flags, BPF_F_RDONLY);
    __type(key, __u32);
    __type(value, __u32);
} to_read SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2);
    __uint(map_flags, BPF_F_WRONLY);
    __type(key, __u32);
    __type(value, __u32);
} to_write SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb)
{
    __u64 *packets = bpf_get_local_storage(&by_cgroup, 0);
    __sync_fetch_and_add(packets, 1);
    packets = bpf_get_local_storage(&by_cgroup_and_cpu, 0);
    __sync_fetch_and_add(packets, 1);
    last.number++;
    return 1;
}
