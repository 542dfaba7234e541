// Instructions that nothing leads to.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = 0;"
        "exit;"
        "r0 = 1;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
