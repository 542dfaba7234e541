// What Swift needs of libbpf and of bpf(2), and the few things that it cannot import:
// the variadic syscall(2), and loads and stores with an order on memory shared with the kernel.
#pragma once
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// bpf(2): the result, or -1 with errno set.
static inline int apiary_bpf(int command, union bpf_attr *attributes, unsigned int size) {
    return (int)syscall(__NR_bpf, command, attributes, size);
}

/// perf_event_open(2): a descriptor, or -1 with errno set.
static inline int apiary_perf_event_open(struct perf_event_attr *attributes, int pid, int cpu,
                                         int group, unsigned long flags) {
    return (int)syscall(__NR_perf_event_open, attributes, pid, cpu, group, flags);
}

/// BPF_RAW_TRACEPOINT_OPEN with the cookie of 6.10, which older headers and libbpf lack: a
/// descriptor, or -1 with errno set. Older kernels refuse a cookie that is not 0 (E2BIG).
static inline int apiary_raw_tracepoint_open(const char *name, int program, uint64_t cookie) {
    struct {
        uint64_t name;
        uint32_t program;
        uint32_t padding;
        uint64_t cookie;
    } attributes = {(uint64_t)(uintptr_t)name, (uint32_t)program, 0, cookie};
    unsigned int size = cookie ? sizeof(attributes) : 16;
    return (int)syscall(__NR_bpf, BPF_RAW_TRACEPOINT_OPEN, &attributes, size);
}

/// BPF_LINK_CREATE of a session (attach types 56, kernel 6.10, and 57, 6.13), which libbpf before
/// 1.5 and 1.6 refuses: a descriptor, or -1 with errno set.
static inline int apiary_kprobe_session(int program, uint32_t count, const char **symbols,
                                        const uint64_t *cookies) {
    struct {
        uint32_t program, target, type, flags, multi_flags, count;
        uint64_t symbols, addresses, cookies;
    } attributes = {(uint32_t)program, 0, 56, 0, 0, count, (uint64_t)(uintptr_t)symbols, 0,
                    (uint64_t)(uintptr_t)cookies};
    return (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
}

static inline int apiary_uprobe_session(int program, uint32_t count, const char *path,
                                        const unsigned long *offsets, const uint64_t *cookies,
                                        uint32_t process) {
    struct {
        uint32_t program, target, type, flags;
        uint64_t path, offsets, counters, cookies;
        uint32_t count, multi_flags, process, padding;
    } attributes = {(uint32_t)program, 0, 57, 0, (uint64_t)(uintptr_t)path,
                    (uint64_t)(uintptr_t)offsets, 0, (uint64_t)(uintptr_t)cookies, count, 0,
                    process, 0};
    // Without the padding: the kernel takes no byte that it does not know.
    return (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes) - 4);
}

/// From now on bpf(BPF_LINK_CREATE) of this thread gives EPERM and never reaches the kernel's code:
/// 0, or -1 with errno set. Needs no_new_privs.
static inline int apiary_forbid_links(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static inline int apiary_perf_event_set_bpf(int event, int program) {
    return ioctl(event, PERF_EVENT_IOC_SET_BPF, program);
}

static inline int apiary_perf_event_enable(int event) {
    return ioctl(event, PERF_EVENT_IOC_ENABLE, 0);
}

/// Gives the calling thread a network namespace of its own: 0, or -1 with errno set.
static inline int apiary_unshare_network(void) {
    return (int)syscall(__NR_unshare, 0x40000000);  // CLONE_NEWNET
}

static inline uint64_t apiary_load_acquire_u64(const uint64_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

static inline uint32_t apiary_load_acquire_u32(const uint32_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

static inline void apiary_store_release_u64(uint64_t *address, uint64_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
