// An object of 16 MiB: a table of constants that nothing else is as large as.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 table[(16 << 20) / 4] = {1, 2, 3};
const volatile __u32 place = 2;

__u32 found = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int look(void *context)
{
    found = table[place & 0xffff];
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
