// Counts getpgid(2) calls by caller in one map of each common kind.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct caller {
    __u32 pid;
    __u32 uid;
};

struct usage {
    __u64 calls;
    __u64 last_ns;
    char comm[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct caller);
    __type(value, struct usage);
} callers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} totals SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, __u64);
} by_uid SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct usage);
} by_cpu SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int count(void *context)
{
    struct caller caller = {
        .pid = bpf_get_current_pid_tgid() >> 32,
        .uid = (__u32)bpf_get_current_uid_gid(),
    };
    __u32 zero = 0;
    __u64 one = 1;

    struct usage *usage = bpf_map_lookup_elem(&callers, &caller);
    if (usage) {
        __sync_fetch_and_add(&usage->calls, 1);
        usage->last_ns = bpf_ktime_get_ns();
    } else {
        struct usage first = {.calls = 1, .last_ns = bpf_ktime_get_ns()};
        bpf_get_current_comm(first.comm, sizeof(first.comm));
        bpf_map_update_elem(&callers, &caller, &first, BPF_NOEXIST);
    }

    __u64 *total = bpf_map_lookup_elem(&totals, &zero);
    if (total)
        __sync_fetch_and_add(total, 1);

    __u64 *of_uid = bpf_map_lookup_elem(&by_uid, &caller.uid);
    if (of_uid)
        *of_uid += 1;
    else
        bpf_map_update_elem(&by_uid, &caller.uid, &one, BPF_ANY);

    struct usage *of_cpu = bpf_map_lookup_elem(&by_cpu, &zero);
    if (of_cpu) {
        of_cpu->calls += 1;
        of_cpu->last_ns = bpf_ktime_get_ns();
        bpf_get_current_comm(of_cpu->comm, sizeof(of_cpu->comm));
    }
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
