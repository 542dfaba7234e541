// A section name that stands for no kind of program.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("wishful/thinking")
int lost(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
