// Two rings of numbered records for each getpgid(2) of the process `target_pid`, so that what is
// missing, double, out of order or untold can be seen. The rings are small: they overflow.
#include "apiary.bpf.h"

struct step {
    // Of those that found room, from 1.
    __u64 number;
    // Of all calls, from 1: what it is more than `number` was lost.
    __u64 attempt;
    __u32 pid;
    __u32 filler;
    char text[24];
};

const volatile __u32 target_pid = 0;
__u64 attempts = 0;
__u64 plain_sent = 0;
__u64 mixed_sent = 0;

APIARY_EVENTS(plain, struct step, 16 * 1024);
APIARY_EVENTS(mixed, struct step, 16 * 1024);

static __always_inline void fill(struct step *step, __u64 number, __u32 pid)
{
    __builtin_memset(step, 0, sizeof(*step));
    step->number = number;
    step->attempt = attempts;
    step->pid = pid;
    __builtin_memcpy(step->text, "of a model", 10);
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_call(void *context)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;

    if (!target_pid || target_pid != pid)
        return 0;
    attempts++;
    struct step *step = APIARY_RESERVE(plain, struct step);

    if (step) {
        fill(step, ++plain_sent, pid);
        APIARY_SUBMIT(step);
    }
    step = APIARY_RESERVE(mixed, struct step);
    if (step) {
        mixed_sent++;
        // Every thirteenth is invalid.
        fill(step, mixed_sent, mixed_sent % 13 ? pid : 0);
        APIARY_SUBMIT(step);
    }
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
