// Variables of many types in each of the sections that hold them.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum level { QUIET, LOUD = 7 };

struct limits {
    __u32 least;
    __u64 most;
    char label[8];
};

const volatile __u8 small = 1;
const volatile __s16 negative = -2;
const volatile __u32 target_pid = 0;
const volatile __u64 large = 0;
const volatile bool enabled = false;
const volatile enum level level = QUIET;
const volatile char prefix[16] = "none";
const volatile __u32 ports[4] = {};
const volatile struct limits limits = {.least = 1, .most = 2, .label = "a"};

__u64 threshold = 100;
__s32 offsets[3] = {1, 2, 3};

__u64 count = 0;
struct limits seen;
static volatile __u32 hidden;

SEC("tracepoint/syscalls/sys_enter_getpgid")
int use(void *context)
{
    if (!enabled || bpf_get_current_pid_tgid() >> 32 != target_pid)
        return 0;
    count += small + negative + large + level + ports[1] + limits.most + threshold + offsets[2];
    seen.least = limits.least;
    seen.label[0] = prefix[0];
    hidden++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
