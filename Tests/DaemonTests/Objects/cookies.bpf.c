// Keeps the cookie with which each function was last run, in a slot of its own.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} cookies SEC(".maps");

#define KEEP(name, slot, section)                                    \
    SEC(section) int name(void *context)                             \
    {                                                                \
        __u32 key = slot;                                            \
        __u64 cookie = bpf_get_attach_cookie(context);               \
        bpf_map_update_elem(&cookies, &key, &cookie, BPF_ANY);       \
        return 0;                                                    \
    }

KEEP(by_tracepoint, 0, "?tracepoint/syscalls/sys_enter_getpgid")
KEEP(by_raw, 1, "?raw_tp/sys_enter")
KEEP(by_typed, 2, "?tp_btf/sys_enter")
KEEP(by_uprobe, 3, "?uprobe/libc.so.6:getppid")
KEEP(by_uprobes, 4, "?uprobe.multi/libc.so.6:getppid")
KEEP(by_kprobe, 5, "?ksyscall/getpgid")
KEEP(by_clock, 6, "?perf_event")

char LICENSE[] SEC("license") = "GPL";
