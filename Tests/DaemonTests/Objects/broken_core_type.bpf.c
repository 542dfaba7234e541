// A structure that the kernel lacks.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct apiary_no_such_type {
    int member;
} __attribute__((preserve_access_index));

__u64 value = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    struct apiary_no_such_type *thing = (void *)bpf_get_current_task();

    value = BPF_CORE_READ(thing, member);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
