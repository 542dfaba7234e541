// A kernel symbol that there is none of.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const int apiary_no_such_symbol __ksym;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    return (long)&apiary_no_such_symbol >> 32;
}

char LICENSE[] SEC("license") = "GPL";
