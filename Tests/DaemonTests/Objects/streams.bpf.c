// Streams of all sorts, fed by getpgid(2) of the process `target_pid`: several types in one ring, a
// perf event array, flexible arrays, kernel addresses, rate limits, quiet submits, trace_pipe.
#include "apiary.bpf.h"

char LICENSE[] SEC("license") = "GPL";

enum kind { EVENT_OPEN = 1, EVENT_CLOSE = 2 };

struct open_event {
    enum kind kind;
    __u32 pid;
    __u64 number;
    char comm[16];
};

struct close_event {
    enum kind kind;
    __s32 ret;
    __u64 ts;
    __u32 flag : 1;
    __u32 level : 7;
};

struct tail_event {
    __u64 number;
    __u32 uid;
    __u32 count;
    char text[];
};

struct call_site {
    apiary_kaddr_t ip;
    __u64 cgroup_id;
    __u32 uid;
    __u32 gid;
};

struct perf_event {
    __u32 pid;
    __u64 number;
    char comm[12];
};

struct limited_event {
    __u64 number;
};

const volatile __u32 target_pid = 0;
__u64 calls = 0;

APIARY_EVENTS_BY(kinds, kind, 64 * 1024);
APIARY_RECORD(kinds, EVENT_OPEN, struct open_event);
APIARY_RECORD(kinds, EVENT_CLOSE, struct close_event);
APIARY_EVENTS(tails, struct tail_event, 64 * 1024);
APIARY_EVENTS(sites, struct call_site, 64 * 1024);
APIARY_PERF_EVENTS(perf, struct perf_event);
APIARY_EVENTS(limited, struct limited_event, 64 * 1024);
APIARY_RATE_LIMIT(limited, __u32, 64);
APIARY_EVENTS(quiet, struct limited_event, 64 * 1024);
APIARY_ADAPTIVE(quiet, 8 * 1024);

// struct tail_event with room for its text.
struct tail_buffer {
    __u64 number;
    __u32 uid;
    __u32 count;
    char text[8];
};

static __always_inline void send_kinds(__u64 number, __u32 pid)
{
    if (number % 2) {
        struct open_event *event = APIARY_RESERVE(kinds, struct open_event);

        if (!event)
            return;
        event->kind = EVENT_OPEN;
        // Every ninth is invalid.
        event->pid = number % 9 ? pid : 0;
        event->number = number;
        bpf_get_current_comm(event->comm, sizeof(event->comm));
        APIARY_SUBMIT(event);
        return;
    }
    struct close_event *event = APIARY_RESERVE(kinds, struct close_event);

    if (!event)
        return;
    __builtin_memset(event, 0, sizeof(*event));
    // Every tenth has a tag that nobody declared.
    event->kind = number % 10 ? EVENT_CLOSE : 7;
    event->ret = -(__s32)number;
    event->ts = bpf_ktime_get_ns();
    event->flag = 1;
    event->level = 5;
    APIARY_SUBMIT(event);
}

static __always_inline void send_tail(__u64 number)
{
    struct tail_buffer buffer = {};

    buffer.number = number;
    buffer.count = number % 8;
    __builtin_memcpy(buffer.text, "abcdefgh", 8);
    if (bpf_ringbuf_output(&tails, &buffer, sizeof(struct tail_event) + (number % 8), 0))
        apiary_count_lost(&tails_lost);
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_call(void *context)
{
    __u64 id = bpf_get_current_pid_tgid();
    __u32 pid = id >> 32;

    if (!target_pid || target_pid != pid)
        return 0;
    __u64 number = ++calls;

    send_kinds(number, pid);
    send_tail(number);

    struct call_site *site = APIARY_RESERVE(sites, struct call_site);

    if (site) {
        __u64 stack[1] = {};

        bpf_get_stack(context, stack, sizeof(stack), 0);
        site->ip = stack[0];
        site->cgroup_id = bpf_get_current_cgroup_id();
        site->uid = (__u32)bpf_get_current_uid_gid();
        site->gid = bpf_get_current_uid_gid() >> 32;
        APIARY_SUBMIT(site);
    }

    struct perf_event event = {.pid = pid, .number = number};

    bpf_get_current_comm(event.comm, sizeof(event.comm));
    APIARY_PERF_OUTPUT(context, perf, &event);

    if (APIARY_ALLOW(limited, &pid, 10, 3600000000000ULL)) {
        struct limited_event *allowed = APIARY_RESERVE(limited, struct limited_event);

        if (allowed) {
            allowed->number = number;
            APIARY_SUBMIT(allowed);
        }
    }
    struct limited_event *quiet_event = APIARY_RESERVE(quiet, struct limited_event);

    if (quiet_event) {
        quiet_event->number = number;
        APIARY_SUBMIT_ADAPTIVE(quiet, quiet_event);
    }
    bpf_printk("call %llu", number);
    return 0;
}
