// A kernel function that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int apiary_no_such_kfunc(void) __ksym;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    return apiary_no_such_kfunc();
}

char LICENSE[] SEC("license") = "GPL";
