// What Swift's Glibc module lacks: headers it leaves out, and what hides behind _GNU_SOURCE.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/// Closes every descriptor from `from` on in the child (glibc 2.34, posix_spawn(3)).
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

/// mallopt(3) and its parameters; all of malloc.h would move malloc out of the Glibc module.
int mallopt(int parameter, int value);
enum { apiary_trim_threshold = -1, apiary_mmap_threshold = -3, apiary_arena_max = -8 };

/// struct ucred of unix(7).
struct apiary_ucred {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};

/// pidfd_open(2), kernel 5.3: a descriptor that is readable once the process has ended, or -1.
static inline int apiary_pidfd_open(int process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

/// memfd_create(2): a descriptor, or -1 with errno set.
static inline int apiary_memfd_create(const char *name, unsigned int flags) {
    return (int)syscall(SYS_memfd_create, name, flags);
}

static inline int apiary_set_thread_name(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

/// Puts the calling thread into the network namespace of a descriptor: 0, or -1 with errno set.
static inline int apiary_set_network_namespace(int descriptor) {
    return (int)syscall(SYS_setns, descriptor, 0x40000000);  // CLONE_NEWNET
}

/// fcntl(2) F_ADD_SEALS with shrink, grow and write sealed: linux/fcntl.h's numbers.
enum { APIARY_F_ADD_SEALS = 1033, APIARY_SEAL_ALL = 0x0002 | 0x0004 | 0x0008 };

/// openat2(2): opens `path` below a directory for reading, and nothing outside of it; O_NONBLOCK,
/// so that a FIFO does not keep us. A descriptor, or -1 with errno set. Linux 5.6.
static inline int apiary_open_beneath(int directory, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/// prctl(2) with one argument: 0, or -1 with errno set.
static inline int apiary_prctl(int option, unsigned long argument) {
    return prctl(option, argument, 0, 0, 0);
}

/// What tells one file from another that has its path, or its inode, later: device, inode, and the
/// time of its birth where the file system keeps it (statx(2)): 0, or -1 with errno set.
struct apiary_file_identity {
    uint64_t device, inode, birth_seconds, birth_nanoseconds;
};

static inline int apiary_file_identity(const char *path, struct apiary_file_identity *identity) {
    struct statx status;
    if (syscall(SYS_statx, -100 /* AT_FDCWD */, path, 0, STATX_INO | STATX_BTIME, &status) != 0)
        return -1;
    identity->device = ((uint64_t)status.stx_dev_major << 32) | status.stx_dev_minor;
    identity->inode = status.stx_ino;
    identity->birth_seconds = (uint64_t)status.stx_btime.tv_sec;
    identity->birth_nanoseconds = status.stx_btime.tv_nsec;
    return 0;
}

/// openat2(2) as if `directory` were the root, for symbolic links and `..` too: a descriptor, or -1
/// with errno set. Linux 5.6.
static inline int apiary_open_in_root(int directory, const char *path, uint64_t flags) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {flags, 0, 0x10};  // RESOLVE_IN_ROOT
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/// pidfd_getfd(2): our own copy of another process's descriptor, or -1 with errno set. Linux 5.6.
static inline int apiary_pidfd_getfd(int pidfd, int descriptor) {
    return (int)syscall(SYS_pidfd_getfd, pidfd, descriptor, 0);
}

/// open_by_handle_at(2) of a kernfs inode by its 64-bit id, which for a control group is what
/// bpf_get_current_cgroup_id tells: an O_PATH descriptor, or -1 with errno set. Linux 5.5.
static inline int apiary_open_kernfs(int mount, uint64_t id) {
    struct {
        uint32_t bytes;
        int32_t type;
        uint64_t id;
    } handle = {8, 0xfe, id};  // FILEID_KERNFS
    return (int)syscall(SYS_open_by_handle_at, mount, &handle, 010000000 | 02000000);
}

/// A file system without a device, mounted nowhere: a descriptor of its root, or -1 with errno set.
/// fsopen(2), fsconfig(2), fsmount(2): Linux 5.2, CAP_SYS_ADMIN.
static inline int apiary_detached_mount(const char *type) {
    // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC; FSCONFIG_CMD_CREATE
    enum { CLOSE_ON_EXEC = 1, CREATE = 6 };
    int context = (int)syscall(SYS_fsopen, type, CLOSE_ON_EXEC);
    if (context < 0) return -1;
    int root = (int)syscall(SYS_fsconfig, context, CREATE, (void *)0, (void *)0, 0);
    if (root == 0) root = (int)syscall(SYS_fsmount, context, CLOSE_ON_EXEC, 0);
    int error = errno;
    close(context);
    errno = error;
    return root;
}

enum { APIARY_PASSED_MOST = 8 };

/// sendmsg(2) with SCM_RIGHTS: hands copies of up to APIARY_PASSED_MOST descriptors to whoever
/// reads the other end of a Unix socket, with one byte. 0, or -1 with errno set; no SIGPIPE.
static inline int apiary_send_descriptors(int socket, const int *descriptors, int count) {
    union {
        struct cmsghdr alignment;
        char bytes[CMSG_SPACE(APIARY_PASSED_MOST * sizeof(int))];
    } control = {};
    if (count < 1 || count > APIARY_PASSED_MOST) return errno = EINVAL, -1;
    struct iovec byte = {.iov_base = "", .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/// The other side of it; blocks. How many came, close-on-exec; 0 where the other end was closed;
/// -1 with errno set.
static inline int apiary_receive_descriptors(int socket, int *descriptors) {
    union {
        struct cmsghdr alignment;
        char bytes[CMSG_SPACE(APIARY_PASSED_MOST * sizeof(int))];
    } control;
    char byte;
    struct iovec place = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t got;
    do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return (int)got;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return errno = EBADMSG, -1;
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
    return count;
}

/// membarrier(2), MEMBARRIER_CMD_GLOBAL: 0, or -1 with errno set.
static inline int apiary_membarrier_global(void) {
    return (int)syscall(__NR_membarrier, 1, 0, 0);
}
