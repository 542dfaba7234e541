// Counts entries and returns of a function in user space: attached to libc's getppid by tests.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 entries = 0;
__u64 returns = 0;

SEC("uprobe")
int on_entry(void *context)
{
    __sync_fetch_and_add(&entries, 1);
    return 0;
}

SEC("uretprobe")
int on_return(void *context)
{
    __sync_fetch_and_add(&returns, 1);
    return 0;
}

// Only recorded: the API alone says where a function is attached.
SEC("uprobe//lib/does-not-exist.so:nothing")
int with_path(void *context)
{
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
