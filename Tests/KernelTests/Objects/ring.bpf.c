// Fills a ring with numbered records of changing sizes; every seventh is reserved and discarded.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} ring SEC(".maps");

__u64 next = 0;
__u64 last = 0;

struct head {
    __u64 number;
    __u32 size;
    __u32 check;
};

#define RECORD(bytes)                                                                             \
    {                                                                                             \
        struct head *head = bpf_ringbuf_reserve(&ring, bytes, 0);                                 \
        if (!head)                                                                                \
            return 0;                                                                             \
        head->number = next;                                                                      \
        head->size = bytes;                                                                       \
        head->check = (__u32)next * 2654435761u;                                                  \
        ((char *)head)[bytes - 1] = (char)next;                                                   \
        if (next % 7 == 6)                                                                        \
            bpf_ringbuf_discard(head, 0);                                                         \
        else                                                                                      \
            bpf_ringbuf_submit(head, 0);                                                          \
    }

SEC("tc")
int fill(struct __sk_buff *packet) {
    for (int i = 0; i < 64; i++) {
        if (next >= last)
            return 1;
        switch (next % 5) {
            case 0: RECORD(17) break;
            case 1: RECORD(24) break;
            case 2: RECORD(61) break;
            case 3: RECORD(200) break;
            default: RECORD(1021) break;
        }
        next += 1;
    }
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
