// Counts system calls of one process by number, by a BTF tracepoint. The arguments of sys_enter are
// the registers and the number, eight bytes each: no vmlinux.h is needed.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 512);
    __type(key, __u32);
    __type(value, __u64);
} by_number SEC(".maps");

SEC("tp_btf/sys_enter")
int count(__u64 *context)
{
    __u32 number = context[1];

    if (bpf_get_current_pid_tgid() >> 32 != target_pid)
        return 0;
    __u64 *calls = bpf_map_lookup_elem(&by_number, &number);
    if (calls)
        __sync_fetch_and_add(calls, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
