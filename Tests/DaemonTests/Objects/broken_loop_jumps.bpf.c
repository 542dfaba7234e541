// Too many branches in a row.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u64 sum = 0;

    for (__u32 turn = 0; turn < 100000; turn++)
        if (bpf_get_prandom_u32() & 1)
            sum = sum * 31 + turn;
    return sum;
}

char LICENSE[] SEC("license") = "GPL";
