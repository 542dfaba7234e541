// A hook that nobody has named.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("lsm")
int broken(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
