// A register that nothing was put into.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = r6;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
