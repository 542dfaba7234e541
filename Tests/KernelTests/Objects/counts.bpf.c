// Each function counts the runs of one thread, and keeps the cookie that it was attached with.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 5);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 5);
    __type(key, __u32);
    __type(value, __u64);
} cookies SEC(".maps");

__u32 thread = 0;

static __always_inline int count(void *context, __u32 slot) {
    if ((__u32)bpf_get_current_pid_tgid() != thread)
        return 0;
    __u64 *value = bpf_map_lookup_elem(&counts, &slot);
    __u64 *cookie = bpf_map_lookup_elem(&cookies, &slot);
    if (!value || !cookie)
        return 0;
    *value += 1;
    *cookie = bpf_get_attach_cookie(context);
    return 0;
}

SEC("tracepoint")
int on_tracepoint(void *context) { return count(context, 0); }

SEC("raw_tp")
int on_raw(struct bpf_raw_tracepoint_args *context) {
    return context->args[1] == 110 ? count(context, 1) : 0;  // __NR_getppid
}

SEC("tp_btf/sys_enter")
int on_typed(__u64 *context) { return context[1] == 110 ? count(context, 2) : 0; }

SEC("uprobe")
int on_entry(void *context) { return count(context, 3); }

SEC("uretprobe")
int on_return(void *context) { return count(context, 4); }

char LICENSE[] SEC("license") = "GPL";
