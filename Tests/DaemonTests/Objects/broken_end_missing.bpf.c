// The function runs over its end.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_getpgid")
__attribute__((naked)) int broken(void *context)
{
    asm volatile(
        "r0 = 0;"
        "r0 += 1;"
    );
}

char LICENSE[] SEC("license") = "GPL";
