// A helper for programs with a compatible license.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    char text[] = "x";

    bpf_trace_printk(text, sizeof(text));
    return 0;
}

char LICENSE[] SEC("license") = "Proprietary";
