// A size that may be negative.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int length = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    char text[64] = {};
    int size = length;

    if (size < 64)
        bpf_probe_read_user(text, size, context);
    bpf_trace_printk(text, sizeof(text));
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
