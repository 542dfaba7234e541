// What SystemCallFilter.swift needs: numbers that only the preprocessor knows.
#pragma once
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/// AUDIT_ARCH_… of the machine this is compiled for, 0 where it is not known: seccomp(2) wants it
/// compared, since a process can make calls of a second architecture, which have other numbers.
static inline uint32_t apiary_audit_architecture(void) {
#if defined(__x86_64__)
    return AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
    return AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
    return AUDIT_ARCH_RISCV64;
#else
    return 0;
#endif
}

/// The system calls that opening an ELF file with libbpf, loading and pinning it takes, beside
/// bpf(2) and openat(2): number `index`, -1 behind the last. Old calls are not everywhere.
static inline int apiary_loader_call(int index) {
    static const int calls[] = {
        // Memory and threads of one's own.
        SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_futex,
        SYS_getrandom, SYS_rseq, SYS_set_robust_list, SYS_sched_getaffinity, SYS_sched_yield,
        // Descriptors that are there; libbpf keeps the places of maps with memory files.
        SYS_read, SYS_readv, SYS_pread64, SYS_write, SYS_writev, SYS_lseek, SYS_close, SYS_dup,
        SYS_dup3, SYS_fcntl, SYS_fstat, SYS_fstatfs, SYS_ioctl, SYS_memfd_create,
        // Names: looking, not changing.
        SYS_newfstatat, SYS_statx, SYS_statfs, SYS_readlinkat, SYS_faccessat, SYS_faccessat2,
        SYS_getdents64, SYS_getcwd, SYS_uname,
        // Limits (before 5.11 maps are locked memory), time, signals, the end.
        SYS_prlimit64, SYS_getrlimit, SYS_setrlimit, SYS_prctl, SYS_clock_gettime,
        SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_rt_sigaction, SYS_rt_sigprocmask,
        SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall, SYS_getpid, SYS_gettid,
        SYS_geteuid, SYS_getuid, SYS_getgid, SYS_getegid, SYS_tgkill, SYS_exit, SYS_exit_group,
#ifdef SYS_stat
        SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_dup2, SYS_time, SYS_arch_prctl,
#endif
    };
    return index < (int)(sizeof calls / sizeof calls[0]) ? calls[index] : -1;
}

/// Calls that no load makes, and a process that was taken over would: number `index`, -1 behind
/// the last.
static inline int apiary_fatal_call(int index) {
    static const int calls[] = {
        SYS_execve, SYS_execveat, SYS_clone, SYS_clone3, SYS_ptrace, SYS_process_vm_readv,
        SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kill, SYS_tkill, SYS_socket, SYS_socketpair,
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare,
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_perf_event_open,
        SYS_userfaultfd, SYS_io_uring_setup, SYS_setuid, SYS_setgid, SYS_capset, SYS_bind,
        SYS_connect, SYS_reboot,
#ifdef SYS_fork
        SYS_fork, SYS_vfork,
#endif
    };
    return index < (int)(sizeof calls / sizeof calls[0]) ? calls[index] : -1;
}

enum {
    APIARY_SYS_BPF = SYS_bpf,
    APIARY_SYS_OPENAT = SYS_openat,
    APIARY_SYS_RECVMSG = SYS_recvmsg,
};

/// prctl(PR_SET_SECCOMP): 0, or -1 with errno set.
static inline int apiary_set_filter(const struct sock_fprog *program) {
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
}
