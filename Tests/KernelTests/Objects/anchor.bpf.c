// A ring buffer whose record type is told by the usual unused pointer.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct tick {
    __u64 ktime_ns;
    __u32 pid;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ticks SEC(".maps");

const struct tick *unused __attribute__((unused));

struct state {
    __u64 seen;
};

// A pointer that code refers to is state, and no anchor.
struct state *present;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int send(void *context)
{
    struct tick *tick;

    if (present)
        return 0;
    tick = bpf_ringbuf_reserve(&ticks, sizeof(*tick), 0);
    if (!tick)
        return 0;
    __builtin_memset(tick, 0, sizeof(*tick));
    tick->ktime_ns = bpf_ktime_get_ns();
    tick->pid = bpf_get_current_pid_tgid() >> 32;
    bpf_ringbuf_submit(tick, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
