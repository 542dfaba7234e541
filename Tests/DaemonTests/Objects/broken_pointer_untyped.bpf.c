// Kernel memory is not read through a number.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task {
    int pid;
};

SEC("tracepoint/syscalls/sys_enter_getpgid")
int broken(void *context)
{
    struct task *task = (void *)bpf_get_current_task();

    return task->pid;
}

char LICENSE[] SEC("license") = "GPL";
