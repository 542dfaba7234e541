// A number where a helper wants a pointer.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    return bpf_map_delete_elem(&counts, (void *)5);
}

char LICENSE[] SEC("license") = "GPL";
