// Maps with values of every kind of type, for the way from JSON to bytes and back.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum level { QUIET, LOUD = 7 };

struct flow {
    __u32 address;
    __u16 port;
    __u8 protocol;
    __u8 pad;
};

struct everything {
    __u64 large;
    __s64 negative;
    __s8 tiny;
    bool yes;
    enum level level;
    char name[8];
    __u8 mac[6];
    __u16 ports[3];
    struct {
        __u32 inner;
    };
    struct flow last;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct flow);
    __type(value, struct everything);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u64);
} many SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, char[16]);
    __type(value, __u64);
} names SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 4);
    __type(key, __u64);
    __type(value, struct flow);
} each_cpu SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __uint(value_size, 12);
} bare SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, __u64);
} row SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int use(void *context)
{
    struct flow flow = {};
    char name[16] = {};
    __u64 large = 0;
    __u32 small = 0;

    bpf_map_lookup_elem(&flows, &flow);
    bpf_map_lookup_elem(&names, name);
    bpf_map_lookup_elem(&each_cpu, &large);
    bpf_map_lookup_elem(&many, &small);
    bpf_map_lookup_elem(&bare, &small);
    bpf_map_lookup_elem(&row, &small);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
