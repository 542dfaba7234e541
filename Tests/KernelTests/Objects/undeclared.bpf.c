// A ring buffer whose records are of no type that the object tells.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} raw SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int send(void *context)
{
    __u64 now = bpf_ktime_get_ns();

    bpf_ringbuf_output(&raw, &now, sizeof(now), 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
