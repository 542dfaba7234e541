// A member that the kernel's structure lacks.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct task_struct {
    int apiary_no_such_member;
} __attribute__((preserve_access_index));

__u64 value = 0;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    struct task_struct *task = (void *)bpf_get_current_task();

    value = BPF_CORE_READ(task, apiary_no_such_member);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
