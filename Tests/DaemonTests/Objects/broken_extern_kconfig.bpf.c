// A kernel option that there is none of.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int CONFIG_APIARY_NO_SUCH_OPTION __kconfig;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    return CONFIG_APIARY_NO_SUCH_OPTION;
}

char LICENSE[] SEC("license") = "GPL";
