// Reads the arguments of a static place, and the cookie, and keeps the last of each.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

__u64 hits = 0;
__s64 first = 0;
__s64 second = 0;
__s64 third = 0;
__s64 fourth = 0;
__s64 count = 0;
__u64 cookie = 0;
__u64 others = 0;
__s64 other_first = 0;

static __always_inline __s64 argument(struct pt_regs *context, int number)
{
    long value = 0;
    bpf_usdt_arg(context, number, &value);
    return value;
}

SEC("usdt")
int on_mark(struct pt_regs *context)
{
    first = argument(context, 0);
    second = argument(context, 1);
    third = argument(context, 2);
    fourth = argument(context, 3);
    count = bpf_usdt_arg_cnt(context);
    cookie = bpf_usdt_cookie(context);
    __sync_fetch_and_add(&hits, 1);
    return 0;
}

SEC("usdt")
int on_other(struct pt_regs *context)
{
    other_first = argument(context, 0);
    __sync_fetch_and_add(&others, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
