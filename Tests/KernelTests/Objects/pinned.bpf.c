// A map that asks to be pinned by name, which is not honoured.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, __u32);
    __type(value, __u64);
} apiary_test_pinned SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int use(void *context)
{
    __u32 key = 1;
    __u64 value = 2;

    bpf_map_update_elem(&apiary_test_pinned, &key, &value, BPF_ANY);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
