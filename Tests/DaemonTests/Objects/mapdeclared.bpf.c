// Maps of types with which the kernel keeps no BTF: what the object declares is known all the same.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum level { LOW = 1, HIGH };

struct job {
    __u32 id;
    enum level level;
    char name[8];
};

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 4);
    __type(value, struct job);
} jobs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
    __uint(max_entries, 16);
    __type(value, struct job);
} known SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct bpf_devmap_val);
} ports SEC(".maps");

struct counts {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct job);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, enum level);
    __array(values, struct counts);
} levels SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} other SEC(".maps");

SEC("socket")
int touch(void *context)
{
    __u32 key = 0;
    return bpf_map_lookup_elem(&counts, &key) != 0 || bpf_map_lookup_elem(&other, &key) != 0;
}
