// A pointer cannot be shifted.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = 0;"
        "r1 <<= 1;"
        "exit;"
    );
}

char LICENSE[] SEC("license") = "GPL";
