// A traced kernel function that there is none of.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/apiary_no_such_tracepoint")
int broken(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
