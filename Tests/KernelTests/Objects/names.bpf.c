// Names that clang takes and the kernel does not, in its BTF: of members, enumerators, types,
// parameters, variables.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum mode$ { MODE$SLOW = 1, MODE$FAST = 2 };

struct cost$ {
    __u32 pid;
    enum mode$ mode$;
    __u32 $cents;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} costs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct cost$);
} table SEC(".maps");

const struct cost$ *unused __attribute__((unused));

const volatile __u32 target$pid = 0;

static __noinline int add(struct cost$ *to$)
{
    return bpf_ringbuf_output(&costs, to$, sizeof(*to$), 0);
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int send(void *context)
{
    struct cost$ cost = {.pid = bpf_get_current_pid_tgid() >> 32, .mode$ = MODE$FAST, .$cents = 7};
    __u32 key = 1;

    if (target$pid && cost.pid != target$pid)
        return 0;
    bpf_map_update_elem(&table, &key, &cost, BPF_ANY);
    add(&cost);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
