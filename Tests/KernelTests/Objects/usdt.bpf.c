// A USDT function: libbpf adds maps of its own and chooses the attach type at the load.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

extern int LINUX_KERNEL_VERSION __kconfig;

__u64 last = 0;
__u64 hits = 0;
int version = 0;

SEC("usdt")
int on_mark(struct pt_regs *context)
{
    long argument = 0;

    bpf_usdt_arg(context, 0, &argument);
    last = argument;
    version = LINUX_KERNEL_VERSION;
    __sync_fetch_and_add(&hits, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
