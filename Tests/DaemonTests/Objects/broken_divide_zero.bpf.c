// A division by the constant 0.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = 1;"
        ".8byte 0x0000000000000037;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
