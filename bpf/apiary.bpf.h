/* What an object tells Apiary about its events: which struct a ring buffer's records are, and how
 * many it lost; and about its types: addresses, byte order, histograms. Include it after <linux/bpf.h> (or vmlinux.h) and <bpf/bpf_helpers.h>, or alone.
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
    struct {                                                                                      \
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                  \
        __uint(max_entries, 1);                                                                   \
        __type(key, __u32);                                                                       \
        __type(value, __u64);                                                                     \
    } name##_lost SEC(".maps");                                                                   \
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

#endif
