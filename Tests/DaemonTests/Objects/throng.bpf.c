// 300 functions that share one map and one constant.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 300);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

#define ONE(number)                                                                             \
    SEC("raw_tp/sys_enter")                                                                     \
    int member_##number(void *context)                                                          \
    {                                                                                           \
        __u32 key = 1##number - 1000;                                                           \
        __u64 *count = bpf_map_lookup_elem(&counts, &key);                                      \
                                                                                                \
        if (count && (bpf_get_current_pid_tgid() >> 32) == target_pid)                          \
            __sync_fetch_and_add(count, 1);                                                     \
        return 0;                                                                               \
    }
#define TEN(number)                                                                             \
    ONE(number##0)                                                                              \
    ONE(number##1)                                                                              \
    ONE(number##2)                                                                              \
    ONE(number##3)                                                                              \
    ONE(number##4)                                                                              \
    ONE(number##5)                                                                              \
    ONE(number##6)                                                                              \
    ONE(number##7)                                                                              \
    ONE(number##8)                                                                              \
    ONE(number##9)
#define HUNDRED(number)                                                                         \
    TEN(number##0)                                                                              \
    TEN(number##1)                                                                              \
    TEN(number##2)                                                                              \
    TEN(number##3)                                                                              \
    TEN(number##4)                                                                              \
    TEN(number##5)                                                                              \
    TEN(number##6)                                                                              \
    TEN(number##7)                                                                              \
    TEN(number##8)                                                                              \
    TEN(number##9)

HUNDRED(0)
HUNDRED(1)
HUNDRED(2)

char LICENSE[] SEC("license") = "GPL";
