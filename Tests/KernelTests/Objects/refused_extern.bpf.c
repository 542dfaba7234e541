// Needs a function that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int apiary_has_no_such_kfunc(void) __ksym;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int use(void *context)
{
    return apiary_has_no_such_kfunc();
}

char LICENSE[] SEC("license") = "GPL";
