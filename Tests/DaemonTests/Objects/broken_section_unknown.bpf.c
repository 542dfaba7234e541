// A section that libbpf knows no kind for.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("wishful/thinking")
int broken(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
