// Functions of the types that BPF_PROG_TEST_RUN takes, and of one that it does not.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct addition {
    __u32 left;
    __u32 right;
    __u64 sum;
    char name[8];
};

static __attribute__((noinline)) int verdict(__u32 interface)
{
    return interface == 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int mark_frame(struct xdp_md *context)
{
    __u8 *data = (void *)(long)context->data;
    __u8 *end = (void *)(long)context->data_end;

    if (data + 14 > end)
        return XDP_ABORTED;
    data[0] = 0xaa;
    return verdict(context->ingress_ifindex);
}

SEC("tc")
int raise_mark(struct __sk_buff *packet)
{
    packet->mark += 1;
    return packet->len;
}

SEC("syscall")
int add(struct addition *arguments)
{
    arguments->sum = arguments->left + arguments->right;
    return 7;
}

SEC("raw_tp/sys_enter")
int second_argument(__u64 *arguments)
{
    return arguments[1];
}

SEC("sk_lookup")
int port_80(struct bpf_sk_lookup *lookup)
{
    return lookup->local_port == 80 ? SK_PASS : SK_DROP;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int never(void *context)
{
    return 0;
}

// Every kind of instruction that version 2 of the instruction set has, and atomics.
SEC("socket")
int all_kinds(struct __sk_buff *packet)
{
    asm volatile(
        "call %[random];"
        "r1 = r0;"
        "r1 += 3; r1 -= 1; r1 *= 5; r1 /= 2; r1 %%= 9; r1 |= 64; r1 &= 127; r1 ^= 3;"
        "r1 <<= 2; r1 >>= 1; r1 s>>= 1; r1 = -r1;"
        "w2 = w1; w2 += 9; w2 <<= 1; w2 = -w2; w2 += w1;"
        "r3 = 0x123456789abcdef ll;"
        "r3 = be64 r3; r3 = le32 r3; r3 = be16 r3;"
        "*(u8 *)(r10 - 1) = r1; *(u16 *)(r10 - 4) = r1; *(u32 *)(r10 - 8) = r1;"
        "*(u64 *)(r10 - 16) = r1;"
        "r4 = *(u8 *)(r10 - 1); r4 = *(u16 *)(r10 - 4); r4 = *(u32 *)(r10 - 8);"
        "r4 = *(u64 *)(r10 - 16);"
        "lock *(u64 *)(r10 - 16) += r1;"
        "lock *(u32 *)(r10 - 8) += r1;"
        // Fetching atomics are newer than version 2: `r2 = atomic_fetch_add((u64 *)(r10 -16), r2)`,
        // likewise or, and, xor, xchg and cmpxchg.
        ".8byte 0x00000001fff02adb; .8byte 0x00000041fff02adb; .8byte 0x00000051fff02adb;"
        ".8byte 0x000000a1fff02adb; .8byte 0x000000e1fff02adb; .8byte 0x000000f1fff02adb;"
        "if r1 == 5 goto 1f; if r1 != r2 goto 1f; if r1 > 5 goto 1f; if r1 >= r2 goto 1f;"
        "if r1 < 5 goto 1f; if r1 <= 7 goto 1f; if r1 s> 5 goto 1f; if r1 s>= -5 goto 1f;"
        "if r1 s< 5 goto 1f; if r1 s<= r2 goto 1f; if r1 & 8 goto 1f;"
        // JMP32 is version 3: `if w1 == 0x5 goto pc+0`, `if w1 > w2 goto pc+0`.
        ".8byte 0x0000000500000116; .8byte 0x000000000000212e;"
        "1: r0 = 0;" :
            :            [random] "i"(7)
            : "r0", "r1", "r2", "r3", "r4", "r5", "memory");
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
