// A function that is attached by its section, and one that only a process's own socket takes.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_call(void *context)
{
    return 0;
}

SEC("socket")
int of_a_socket(struct __sk_buff *packet)
{
    return packet->len;
}

char LICENSE[] SEC("license") = "GPL";
