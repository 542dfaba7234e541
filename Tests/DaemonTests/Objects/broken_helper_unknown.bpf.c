// A helper that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "call 9999;"
        "r0 = 0;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
