// The verifier refuses it: a looked-up value is used without the question whether it is there.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int careless(void *context)
{
    __u32 key = 1;
    __u64 *value = bpf_map_lookup_elem(&counts, &key);

    *value += 1;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
