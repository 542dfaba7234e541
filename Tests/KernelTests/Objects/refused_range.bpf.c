// The verifier refuses it: an index that it knows nothing of.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct table {
    __u64 slots[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct table);
} tables SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int beyond(void *context)
{
    __u32 zero = 0;
    struct table *table = bpf_map_lookup_elem(&tables, &zero);

    if (!table)
        return 0;
    table->slots[bpf_get_prandom_u32()] = 1;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
