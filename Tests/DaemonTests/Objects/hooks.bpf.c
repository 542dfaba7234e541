// A function for each kind of attachment, whose section says where: each counts the calls of one
// process in its own slot of `counts`.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;
// The system call that the two of sys_enter count: its number differs from machine to machine.
const volatile __u64 number = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 5);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(__u32 slot)
{
    if (bpf_get_current_pid_tgid() >> 32 != target_pid)
        return 0;
    __u64 *value = bpf_map_lookup_elem(&counts, &slot);
    if (value)
        __sync_fetch_and_add(value, 1);
    return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_tracepoint(void *context)
{
    return count(0);
}

SEC("raw_tracepoint/sys_enter")
int on_raw(struct bpf_raw_tracepoint_args *context)
{
    return context->args[1] == number ? count(1) : 0;
}

SEC("tp_btf/sys_enter")
int on_typed(__u64 *context)
{
    return context[1] == number ? count(2) : 0;
}

SEC("uprobe/libc.so.6:getppid")
int on_entry(void *context)
{
    return count(3);
}

SEC("uretprobe/libc.so.6:getppid")
int on_return(void *context)
{
    return count(4);
}

char LICENSE[] SEC("license") = "GPL";
