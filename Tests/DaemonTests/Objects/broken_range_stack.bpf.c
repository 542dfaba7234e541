// Below the end of the stack.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r1 = 0;"
        "*(u64 *)(r10 - 520) = r1;"
        "r0 = 0;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
