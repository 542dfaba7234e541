// An index that nothing bounds.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 place = 0;
__u64 table[16] = {};

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    __u32 index = place;

    table[index] = 1;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
