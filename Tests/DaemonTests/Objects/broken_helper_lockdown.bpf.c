// Lockdown takes this helper away.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u64 value = 0;

    return bpf_probe_write_user(context, &value, sizeof(value));
}

char LICENSE[] SEC("license") = "GPL";
