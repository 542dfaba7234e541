// One declared event for each getpgid(2) of the process `target_pid`; 0: of every process.
#include "apiary.bpf.h"

enum verdict { ALLOWED = 1, DENIED = 2 };

struct place {
    __s32 cpu;
    __u16 numbers[3];
};

struct call_event {
    __u64 ktime_ns;
    __u32 pid;
    __u32 tid;
    __u64 number;
    enum verdict verdict;
    struct place place;
    char comm[16];
};

const volatile __u32 target_pid = 0;
__u64 sent = 0;

APIARY_EVENTS(calls, struct call_event, 64 * 1024);

SEC("tracepoint/syscalls/sys_enter_getpgid")
int send(void *context)
{
    __u64 id = bpf_get_current_pid_tgid();

    if (target_pid && target_pid != id >> 32)
        return 0;
    __u64 number = sent + 1;
    struct call_event *event = APIARY_RESERVE(calls, struct call_event);
    if (!event)
        return 0;
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->pid = id >> 32;
    event->tid = (__u32)id;
    event->number = number;
    event->verdict = ALLOWED;
    event->place.cpu = bpf_get_smp_processor_id();
    event->place.numbers[0] = 1;
    event->place.numbers[2] = 3;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    __sync_fetch_and_add(&sent, 1);
    APIARY_SUBMIT(event);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
