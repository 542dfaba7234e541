// A record whose members are shown as addresses, ports and a histogram, for each getpgid(2) of the
// process `target_pid`.
#include "apiary.bpf.h"

struct flow {
    __u32 pid;
    __be32 source APIARY_IPV4;
    __u8 target[16] APIARY_IPV6;
    __u8 card[6] APIARY_MAC;
    __be16 port APIARY_BIG_ENDIAN;
    __be32 peers[2] APIARY_IPV4;
    __u32 sizes[8] APIARY_LOG2;
};

const volatile __u32 target_pid = 0;
__u32 calls = 0;

APIARY_EVENTS(flows, struct flow, 64 * 1024);

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_call(void *context)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;

    if (!target_pid || target_pid != pid)
        return 0;
    struct flow *flow = APIARY_RESERVE(flows, struct flow);

    if (!flow)
        return 0;
    __builtin_memset(flow, 0, sizeof(*flow));
    flow->pid = pid;
    // 192.0.2.1, 192.0.2.2, …
    __u8 address[4] = {192, 0, 2, (__u8)++calls};

    __builtin_memcpy(&flow->source, address, 4);
    __builtin_memcpy(&flow->peers[1], address, 4);
    flow->target[0] = 0x20;
    flow->target[1] = 0x01;
    flow->target[15] = 7;
    flow->card[0] = 0xde;
    flow->card[5] = 1;
    // 443, 444, …
    __u16 port = 442 + calls;
    __u8 network[2] = {(__u8)(port >> 8), (__u8)port};

    __builtin_memcpy(&flow->port, network, 2);
    flow->sizes[2] = 5;
    APIARY_SUBMIT(flow);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
