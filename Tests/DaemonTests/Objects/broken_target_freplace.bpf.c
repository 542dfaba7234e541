// A function to replace, of a program that nobody has named.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("freplace/other")
int broken(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
