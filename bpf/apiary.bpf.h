/* What an object tells Apiary about its events: which struct a ring's records are, how many it
 * lost, when it wakes the reader, and what its rate limits left out; and about its types:
 * addresses, byte order, histograms. Include it after <linux/bpf.h> (or vmlinux.h) and
 * <bpf/bpf_helpers.h>, or alone.
 * Needs Linux 5.8 (ring buffers), no CO-RE, any -mcpu.
 *
 *     #include "apiary.bpf.h"
 *
 *     struct open_event {
 *         __u64 ktime_ns;
 *         __u32 pid;
 *         char comm[16];
 *     };
 *
 *     APIARY_EVENTS(opens, struct open_event, 256 * 1024);
 *
 *     SEC("tracepoint/syscalls/sys_enter_openat")
 *     int on_open(void *context)
 *     {
 *         struct open_event *event = APIARY_RESERVE(opens, struct open_event);
 *         if (!event)
 *             return 0;  // counted
 *         event->ktime_ns = bpf_ktime_get_ns();
 *         event->pid = bpf_get_current_pid_tgid() >> 32;
 *         bpf_get_current_comm(event->comm, sizeof(event->comm));
 *         APIARY_SUBMIT(event);
 *         return 0;
 *     }
 *
 * GET /v1/events?program=… then shows {"ktime_ns":…,"pid":…,"comm":"cat"}, and the ledger the
 * records for which there was no room.
 */
#ifndef APIARY_BPF_H
#define APIARY_BPF_H

#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#endif
#include <bpf/bpf_helpers.h>

/* Defines the ring buffer `name` of `bytes` (a power of two, at least a page) whose records are
 * each one `record`, a struct or a typedef of one.
 *
 * Beside it: the per-CPU array `<name>_lost` of one u64, the records that APIARY_RESERVE found no
 * room for; and a pointer `<name>_record` in the section `.apiary.events`, which makes no map and
 * takes no memory in the kernel: only its BTF type is read. (A BTF declaration tag would be
 * simpler, but kernels before 5.16 do not know it and libbpf takes it away there.)
 */
#define APIARY_EVENTS(name, record, bytes)                                                        \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_RINGBUF);                                                       \
        __uint(max_entries, bytes);                                                               \
    } name SEC(".maps");                                                                          \
    APIARY_COUNTER(name##_lost);                                                                  \
    const record *name##_record SEC(".apiary.events")

/* Room for one record in `name`, or NULL, which is counted in `<name>_lost`. What was reserved must
 * be submitted or discarded on every path, or the verifier refuses the program. The memory is not
 * zeroed: set every member, or the padding too where you compare bytes.
 */
#define APIARY_RESERVE(name, record)                                                              \
    ({                                                                                            \
        record *apiary_reserved = bpf_ringbuf_reserve(&(name), sizeof(record), 0);                \
        if (!apiary_reserved)                                                                     \
            apiary_count_lost(&(name##_lost));                                                    \
        apiary_reserved;                                                                          \
    })

/* Copies a whole record from `event` (map value or stack) into `name`; a failure is counted as
 * APIARY_RESERVE counts its.
 */
#define APIARY_OUTPUT(name, event)                                                                \
    do {                                                                                          \
        if (bpf_ringbuf_output(&(name), (event), sizeof(*(event)), 0))                            \
            apiary_count_lost(&(name##_lost));                                                    \
    } while (0)

/* Hands a reserved record over to the readers. */
#define APIARY_SUBMIT(event) bpf_ringbuf_submit((event), 0)

/* Gives a reserved record back unseen; it is not counted as lost. */
#define APIARY_DISCARD(event) bpf_ringbuf_discard((event), 0)

/* Records of several types in one ring, told apart by a member that is at the same place in all:
 *
 *     enum kind { EVENT_EXEC = 1, EVENT_EXIT = 2 };
 *     struct exec_event { enum kind kind; … };
 *     struct exit_event { enum kind kind; … };
 *
 *     APIARY_EVENTS_BY(events, kind, 256 * 1024);
 *     APIARY_RECORD(events, EVENT_EXEC, struct exec_event);
 *     APIARY_RECORD(events, EVENT_EXIT, struct exit_event);
 *
 * The tag is the enum's name or a plain number, not a macro.
 */
#define APIARY_EVENTS_BY(name, member, bytes)                                                     \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_RINGBUF);                                                       \
        __uint(max_entries, bytes);                                                               \
    } name SEC(".maps");                                                                          \
    APIARY_COUNTER(name##_lost);                                                                  \
    const void *name##_type_by_##member SEC(".apiary.events")

#define APIARY_RECORD(name, tag, record) const record *name##_record_##tag SEC(".apiary.events")

/* The same for kernels without ring buffers (before 5.8): a perf event array, a ring for each CPU.
 * The kernel counts what these lose; the counter beside it also has what was sent while no daemon
 * was there.
 */
#define APIARY_PERF_EVENTS(name, record)                                                          \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);                                              \
        __uint(key_size, sizeof(__u32));                                                          \
        __uint(value_size, sizeof(__u32));                                                        \
    } name SEC(".maps");                                                                          \
    APIARY_COUNTER(name##_lost);                                                                  \
    const record *name##_record SEC(".apiary.events")

#define APIARY_PERF_OUTPUT(context, name, event)                                                  \
    do {                                                                                          \
        if (bpf_perf_event_output((context), &(name), BPF_F_CURRENT_CPU, (event),                 \
                                  sizeof(*(event))))                                              \
            apiary_count_lost(&(name##_lost));                                                    \
    } while (0)

/* Wakes the reader less often, which lowers what a record costs the program: only for each
 * `threshold` bytes that wait. The daemon sees the variable and looks into this ring by itself
 * (every 5 ms, 50 ms while it is quiet): that bounds the latency.
 *
 *     APIARY_ADAPTIVE(opens, 32 * 1024);
 *     …
 *     APIARY_SUBMIT_ADAPTIVE(opens, event);
 *
 * The threshold can be set at load: ?global=opens_wakeup_bytes=65536.
 */
#define APIARY_ADAPTIVE(name, threshold) const volatile __u32 name##_wakeup_bytes = (threshold)

#define APIARY_SUBMIT_ADAPTIVE(name, event)                                                       \
    bpf_ringbuf_submit((event),                                                                   \
                       apiary_wakeup(&(name), sizeof(*(event)) + 8, name##_wakeup_bytes))

static __always_inline __u64 apiary_wakeup(void *ring, __u64 own, __u32 threshold)
{
    __u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);

    own = (own + 7) & ~7ULL;
    /* Once for each `threshold` bytes, not for each record that comes while the reader is on its
     * way: a wake-up costs as much as ten records, and far more in a virtual machine. */
    if (!threshold || waiting / threshold != (waiting - own) / threshold)
        return BPF_RB_FORCE_WAKEUP;
    return BPF_RB_NO_WAKEUP;
}

/* A limit per key: of each `key_type` at most `limit` events within `window_ns`, for up to
 * `max_keys` keys (the least recently used go). What it leaves out is counted in
 * `<name>_limited`, which the ledger shows as `rate_limited`. CPUs that race may let a few more
 * through.
 *
 *     APIARY_RATE_LIMIT(opens, __u32, 10240);
 *     …
 *     __u32 pid = …;
 *     if (!APIARY_ALLOW(opens, &pid, 100, 1000000000ULL))
 *         return 0;  // counted
 */
struct apiary_window {
    __u64 start_ns;
    __u64 count;
};

#define APIARY_RATE_LIMIT(name, key_type, max_keys)                                               \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_LRU_HASH);                                                      \
        __uint(max_entries, max_keys);                                                            \
        __type(key, key_type);                                                                    \
        __type(value, struct apiary_window);                                                      \
    } name##_windows SEC(".maps");                                                                \
    APIARY_COUNTER(name##_limited)

#define APIARY_ALLOW(name, key, limit, window_ns)                                                 \
    apiary_allow(&(name##_windows), &(name##_limited), (key), (limit), (window_ns))

/* The type of members that hold addresses of the kernel, or of arrays of them: readers are shown
 * the functions beside the numbers.
 */
typedef __u64 apiary_kaddr_t;

#define APIARY_COUNTER(name)                                                                      \
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                  \
        __uint(max_entries, 1);                                                                   \
        __type(key, __u32);                                                                       \
        __type(value, __u64);                                                                     \
    } name SEC(".maps")

/* How members of map values, keys and events are shown, and taken back, behind their names:
 *
 *     struct flow {
 *         __be32 saddr APIARY_IPV4;           // "192.0.2.1"
 *         __u8 daddr[16] APIARY_IPV6;         // "2001:db8::1"
 *         __u8 source[6] APIARY_MAC;          // "0a:1b:2c:3d:4e:5f"
 *         __be16 port APIARY_BIG_ENDIAN;      // 443, from network order
 *         __u64 latency_us[27] APIARY_LOG2;   // [{"from":0,"to":1,"count":3},…]
 *     };
 *
 * Addresses are in network order, as packets and the kernel's sockets have them; APIARY_IP is IPv4
 * for 4 bytes and IPv6 for 16. Arrays of addresses are arrays of texts. A typedef can have a tag too:
 * `typedef __be32 address_t APIARY_IPV4`. They are BTF declaration tags: libbpf leaves them out on
 * kernels before 5.16, where the members are plain numbers and hex.
 */
#if __has_attribute(btf_decl_tag)
#define APIARY_TAG(text) __attribute__((btf_decl_tag("apiary:" text)))
#else
#define APIARY_TAG(text)
#endif
#define APIARY_IPV4 APIARY_TAG("ipv4")
#define APIARY_IPV6 APIARY_TAG("ipv6")
#define APIARY_IP APIARY_TAG("ip")
#define APIARY_MAC APIARY_TAG("mac")
#define APIARY_BIG_ENDIAN APIARY_TAG("big_endian")

/* An array of at most 64 counters, `__u32` or `__u64`: the one at i counts the values from 2^i to
 * 2^(i+1)-1, the first also 0, the last everything above. `apiary_log2(value)`, at most one less
 * than the array has, is the place where a value belongs.
 */
#define APIARY_LOG2 APIARY_TAG("log2")

static __always_inline __u32 apiary_log2(__u64 value)
{
    __u32 log = 0, step;

#pragma unroll
    for (step = 32; step > 0; step /= 2) {
        if (value >> step) {
            value >>= step;
            log += step;
        }
    }
    return log;
}

/* Counts `value` in the histogram `slots`, an array. */
#define APIARY_COUNT_LOG2(slots, value)                                                           \
    do {                                                                                          \
        __u32 apiary_slot = apiary_log2(value);                                                   \
        if (apiary_slot >= sizeof(slots) / sizeof((slots)[0]))                                    \
            apiary_slot = sizeof(slots) / sizeof((slots)[0]) - 1;                                 \
        __sync_fetch_and_add(&(slots)[apiary_slot], 1);                                           \
    } while (0)

/* Atomic although the counter is the CPU's own: an interrupt's program may lose a record while the
 * interrupted one counts its.
 */
static __always_inline void apiary_count_lost(void *lost)
{
    __u32 zero = 0;
    __u64 *count = bpf_map_lookup_elem(lost, &zero);

    if (count)
        __sync_fetch_and_add(count, 1);
}

/* No read of what an atomic add gave: Linux 5.10 and -mcpu=v2 have none. */
static __always_inline int apiary_allow(void *windows, void *limited, const void *key,
                                        __u64 limit, __u64 window_ns)
{
    __u64 now = bpf_ktime_get_ns();
    struct apiary_window *window = bpf_map_lookup_elem(windows, key);

    if (!window || now - window->start_ns >= window_ns) {
        struct apiary_window fresh = {.start_ns = now, .count = 1};

        bpf_map_update_elem(windows, key, &fresh, BPF_ANY);
        return 1;
    }
    if (window->count >= limit) {
        apiary_count_lost(limited);
        return 0;
    }
    __sync_fetch_and_add(&window->count, 1);
    return 1;
}

#endif
