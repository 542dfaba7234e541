// What the tags of apiary.bpf.h make of addresses, byte order and histograms.
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include "apiary.bpf.h"

char LICENSE[] SEC("license") = "GPL";

typedef __be32 address_t APIARY_IPV4;

struct flow {
    __be32 from APIARY_IPV4;
    __u8 to[16] APIARY_IPV6;
    __u8 source[6] APIARY_MAC;
    __be16 port APIARY_BIG_ENDIAN;
    address_t resolvers[2];
};

struct latency {
    __u64 count;
    __u64 slots[8] APIARY_LOG2;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, address_t);
    __type(value, struct flow);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct latency);
} latencies SEC(".maps");

union either {
    __u32 number;
    float ratio;
};

// Keys that do not come back as they would be shown, and those that look like something else.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, union either);
    __type(value, __u32);
} unions SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, char[8]);
    __type(value, __u32);
} texts SEC(".maps");

struct padded {
    bool yes;
    __u32 number;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct padded);
    __type(value, double);
} padded SEC(".maps");

volatile address_t gateway = 0x0100000a;
volatile __be32 peer APIARY_IPV4 = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int count(void *context)
{
    __u32 zero = 0;
    struct latency *latency = bpf_map_lookup_elem(&latencies, &zero);

    if (!latency)
        return 0;
    latency->count++;
    APIARY_COUNT_LOG2(latency->slots, 5);
    APIARY_COUNT_LOG2(latency->slots, 100000);
    return gateway == peer;
}
