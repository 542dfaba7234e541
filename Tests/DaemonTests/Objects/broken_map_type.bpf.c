// A map of a type that no kernel knows.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, 999);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} odd SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u32 key = 0;

    return bpf_map_lookup_elem(&odd, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
