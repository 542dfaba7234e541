// The load generator: one system call that does not exist puts `burst` records of 64 bytes into a
// ring buffer. Apiary and the peer in C load this same object; `trigger` makes the call.
// With ADAPTIVE, as quiet.bpf.o, the reader is woken only when 64 KiB wait. With UNCOUNTED, as
// uncounted.bpf.o, nobody knows how many records found no room in the ring.
#include <linux/bpf.h>
#include <linux/types.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "../bpf/apiary.bpf.h"
#include "produce.h"

char LICENSE[] SEC("license") = "GPL";

struct event {
    __u64 ts;
    __u32 pid;
    __u32 tid;
    __u32 cpu;
    __s32 ret;
    __u64 latency_ns;
    char comm[16];
    __u64 seq;
    __u64 arg;
};

#ifdef UNCOUNTED
// Names the record's type in the object's BTF.
const struct event *unused __attribute__((unused));

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20);
} events SEC(".maps");

#define RESERVE() bpf_ringbuf_reserve(&events, sizeof(struct event), 0)
#else
APIARY_EVENTS(events, struct event, 8 << 20);
#define RESERVE() APIARY_RESERVE(events, struct event)
#endif

#ifdef ADAPTIVE
APIARY_ADAPTIVE(events, 64 << 10);
#define SUBMIT(record) APIARY_SUBMIT_ADAPTIVE(events, record)
#else
#define SUBMIT(record) bpf_ringbuf_submit(record, 0)
#endif

// Counts the attempts, so that a reader sees every loss as a step. One thread triggers.
__u64 attempts;

SEC("raw_tracepoint/sys_enter")
int produce(struct bpf_raw_tracepoint_args *ctx)
{
    if (ctx->args[1] != PRODUCE_SYSCALL)
        return 0;

    const struct pt_regs *regs = (const void *)ctx->args[0];
    __u64 burst = 0;
    bpf_probe_read_kernel(&burst, sizeof burst, &PT_REGS_PARM1(regs));

    struct event template = {};
    __u64 both = bpf_get_current_pid_tgid();
    template.pid = both >> 32;
    template.tid = (__u32)both;
    template.cpu = bpf_get_smp_processor_id();
    template.ret = -38;
    bpf_get_current_comm(template.comm, sizeof template.comm);
    template.ts = bpf_ktime_get_ns();

    for (int i = 0; i < PRODUCE_BURST; i++) {
        if (i >= burst)
            break;
        template.seq = attempts++;
        template.latency_ns = 1000 + (template.seq & 0xffff);
        template.arg = template.seq << 20;
        struct event *record = RESERVE();
        if (!record)
            continue;
        *record = template;
        SUBMIT(record);
    }
    return 0;
}
