// Straight on, for more instructions than the verifier takes.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = 0;"
        ".rept 1000001;"
        "r0 += 1;"
        ".endr;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
