// A large object to load: 300 functions, each with a loop that the verifier has to walk.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 512);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static __always_inline int count_renames(__u32 number)
{
    __u64 pid = bpf_get_current_pid_tgid();
    for (__u32 i = 0; i < 16; i++) {
        __u32 key = (number + i) & 511;
        __u64 *count = bpf_map_lookup_elem(&counts, &key);
        if (count && ((pid >> i) & 1))
            __sync_fetch_and_add(count, 1);
    }
    return 0;
}

#define ONE(n) \
    SEC("raw_tracepoint/task_rename") int f##n(void *ctx) { return count_renames(n); }
#define TEN(n) \
    ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) \
    ONE(n##5) ONE(n##6) ONE(n##7) ONE(n##8) ONE(n##9)
#define HUNDRED(n) \
    TEN(n##0) TEN(n##1) TEN(n##2) TEN(n##3) TEN(n##4) \
    TEN(n##5) TEN(n##6) TEN(n##7) TEN(n##8) TEN(n##9)

HUNDRED(1)
HUNDRED(2)
HUNDRED(3)
