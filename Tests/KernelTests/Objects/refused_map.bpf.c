// The kernel refuses the map: it has a flag that no kernel knows.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __uint(map_flags, 1 << 30);
    __type(key, __u32);
    __type(value, __u64);
} impossible SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int use(void *context)
{
    __u32 key = 1;

    bpf_map_delete_elem(&impossible, &key);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
