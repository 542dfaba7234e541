// A loop that ends, but not within the verifier's patience.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile __u64 sum = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    for (__u32 turn = 0; turn < 10000000; turn++)
        sum += turn;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
