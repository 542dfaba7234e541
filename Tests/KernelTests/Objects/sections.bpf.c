// Functions that are not loaded unless asked for, a sleepable one, and an iterator.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("?tracepoint/syscalls/sys_enter_getpgid")
int optional(void *context)
{
    return 0;
}

SEC("xdp")
int pass(struct xdp_md *context)
{
    return XDP_PASS;
}

SEC("uprobe.s")
int sleepable(void *context)
{
    return 0;
}

SEC("iter/bpf_map")
int each_map(void *context)
{
    return 0;
}

SEC("tp_btf")
int without_target(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
