// A map that no machine has the memory for.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 0x7ffffff);
    __uint(key_size, 4);
    __uint(value_size, 1 << 20);
} huge SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u32 key = 0;

    return bpf_map_lookup_elem(&huge, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
