// Records of awkward shapes, three of each, by getpgid(2) of the process `target_pid`: what a
// projection, a filter and the record's length make of them. Also a perf event array that nobody
// counts for, and print of several lines.
#include "apiary.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct point {
    __u16 x;
    __s16 y;
};

// sizeof is 24, the text begins at 20: a short record ends before that.
struct text_event {
    __u64 number;
    struct point at[2];
    __u32 count;
    char text[];
};

struct list_event {
    __u32 number;
    __u32 args[3];
    struct {
        struct point first;
        __u8 kind;
    } inner;
    struct point items[];
};

// Not the macros': without a counter, and of no type that the daemon could know.
struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} bare SEC(".maps");

struct site_event {
    __u64 number;
    struct {
        apiary_kaddr_t ip;
        __u32 uid;
        __u32 pad;
    } task;
    apiary_kaddr_t stack[];
};

APIARY_EVENTS(sites, struct site_event, 64 * 1024);

const volatile __u32 target_pid = 0;
__u64 calls = 0;

APIARY_EVENTS(texts, struct text_event, 64 * 1024);
APIARY_EVENTS(lists, struct list_event, 64 * 1024);

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_call(void *context)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;
    union {
        struct text_event head;
        char bytes[32];
    } text = {};
    union {
        struct list_event head;
        __u16 words[24];
    } list = {};

    if (!target_pid || target_pid != pid)
        return 0;
    __u32 number = ++calls;

    text.head.number = number;
    text.head.at[1].x = 100 + number;
    text.head.at[1].y = -(__s16)number;
    text.head.count = number;
    __builtin_memcpy(text.bytes + 20, "xyzxyz", 6);
    if (bpf_ringbuf_output(&texts, &text, 20 + (number & 7), 0))
        apiary_count_lost(&texts_lost);

    list.head.number = number;
    list.head.args[2] = number * number;
    list.head.inner.first.x = 7;
    list.head.inner.kind = number;
    // The items begin at 22; two bytes more than whole ones.
    list.words[11] = 1;
    list.words[13] = 2;
    list.words[14] = -2;
    list.words[15] = 3;
    if (bpf_ringbuf_output(&lists, &list, 22 + 4 * (number & 3) + 2, 0))
        apiary_count_lost(&lists_lost);

    bpf_perf_event_output(context, &bare, BPF_F_CURRENT_CPU, &list, 24);

    union {
        struct site_event head;
        __u64 words[5];
    } site = {};

    bpf_get_stack(context, &site.words[3], 2 * sizeof(__u64), 0);
    site.head.number = number;
    site.head.task.ip = site.words[4];
    if (bpf_ringbuf_output(&sites, &site, sizeof(site), 0))
        apiary_count_lost(&sites_lost);

    static const char format[] = "call %u\n  second line %s\n";
    char bytes[4] = {0xff, 0xfe, 0, 0};

    bpf_trace_printk(format, sizeof(format), number, bytes);
    return 0;
}
