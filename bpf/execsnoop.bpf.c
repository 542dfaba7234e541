/* Every execve(2) and execveat(2) with its outcome: who called, what, with which arguments.
 *
 * Attach all four functions (each by its section's name). Linux 5.8 with BTF. Not seen: programs
 * that the kernel starts by itself, which come by no system call.
 */
#include "apiary.bpf.h"
#include <bpf/bpf_core_read.h>

#define FILENAME_BYTES 256
#define ARGS_BYTES 512
/* At the entry arguments are read one by one, at most so many, each of at most so many bytes. */
#define MOST_ARGS 20
#define ARG_BYTES 128

struct exec_event {
    __u64 ktime_ns; /* of the system call's end */
    __u32 pid;
    __u32 ppid;
    __u32 uid;
    __s32 ret;                     /* 0, or a negative errno */
    char comm[16];                 /* after the call: of the new program where it succeeded */
    char filename[FILENAME_BYTES]; /* as the caller gave it */
    char args[ARGS_BYTES];         /* joined by spaces, cut at 511 bytes */
};

/* A call under way. */
struct pending {
    struct exec_event event;
    /* The last argument may begin inside `args` and end here, which the verifier likes better than
     * a size that depends on an offset. */
    char slack[ARG_BYTES];
};

/* The members that are used, found by CO-RE in whatever the running kernel has. */
struct mm_struct {
    unsigned long arg_start;
    unsigned long arg_end;
} __attribute__((preserve_access_index));

struct task_struct {
    struct task_struct *real_parent;
    struct mm_struct *mm;
    int tgid;
} __attribute__((preserve_access_index));

/* The layout of the system calls' tracepoints, part of the kernel's interface. */
struct enter_context {
    __u64 common;
    long number;
    unsigned long args[6];
};

struct exit_context {
    __u64 common;
    long number;
    long ret;
};

APIARY_EVENTS(execs, struct exec_event, 1024 * 1024);

/* By task, not by thread id: a thread that is not its process' first takes the first's id in a
 * successful execve, and its entry would never be found again. Least recently used, because a task
 * that is killed inside the call has no end.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct pending);
} calls SEC(".maps");

/* Too large for the stack of 512 bytes. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pending);
} scratch SEC(".maps");

/* Joins the arguments by spaces. A page that is not in memory reads as nothing here; after a
 * success the new program's own copy is used instead.
 */
static __always_inline void read_args(char *args, const char *const *argv)
{
    __u32 length = 0;

    for (int i = 0; i < MOST_ARGS; i++) {
        const char *arg = NULL;
        long count;

        if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]) || !arg)
            break;
        if (length >= ARGS_BYTES)
            break;
        /* The compiler knows that the mask changes nothing; the verifier must see it. */
        barrier_var(length);
        length &= ARGS_BYTES - 1;
        count = bpf_probe_read_user_str(&args[length], ARG_BYTES, arg);
        if (count <= 0 || count > ARG_BYTES)
            break;
        length += count;
        /* The NUL that was just written; past the end of `args` it is in the slack. */
        if (length <= ARGS_BYTES)
            args[(length - 1) & (ARGS_BYTES - 1)] = ' ';
    }
    if (length > ARGS_BYTES)
        length = ARGS_BYTES;
    if (length)
        args[(length - 1) & (ARGS_BYTES - 1)] = 0;
}

static __always_inline int enter(const char *filename, const char *const *argv)
{
    __u64 task = bpf_get_current_task();
    __u32 zero = 0;
    struct pending *pending = bpf_map_lookup_elem(&scratch, &zero);

    if (!pending)
        return 0;
    __builtin_memset(&pending->event, 0, offsetof(struct exec_event, filename));
    pending->event.filename[0] = 0;
    pending->event.args[0] = 0;
    bpf_probe_read_user_str(pending->event.filename, FILENAME_BYTES, filename);
    read_args(pending->event.args, argv);
    pending->event.pid = bpf_get_current_pid_tgid() >> 32;
    bpf_map_update_elem(&calls, &task, pending, BPF_ANY);
    return 0;
}

/* The arguments as they lie in the new program's memory, one NUL after each. */
static __always_inline void read_new_args(char *args, struct task_struct *task)
{
    unsigned long start = BPF_CORE_READ(task, mm, arg_start);
    unsigned long length = BPF_CORE_READ(task, mm, arg_end) - start;

    if (length >= ARGS_BYTES)
        length = ARGS_BYTES - 1;
    length &= ARGS_BYTES - 1;
    if (!length || bpf_probe_read_user(args, length, (const void *)start))
        return;
    /* 0 becomes a space, without a branch for the verifier to follow 512 times. */
    for (__u32 i = 0; i < ARGS_BYTES; i++)
        args[i] |= ((__u32)(__u8)args[i] - 1) >> 8 & ' ';
    args[length & (ARGS_BYTES - 1)] = 0;
    args[(length - 1) & (ARGS_BYTES - 1)] = 0;
}

static __always_inline int leave(long ret)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    __u64 key = (__u64)task;
    struct pending *pending = bpf_map_lookup_elem(&calls, &key);
    struct exec_event *event;

    if (!pending)
        return 0;
    event = &pending->event;
    /* A task may lie where another that never left its call lay. */
    if (event->pid == bpf_get_current_pid_tgid() >> 32) {
        event->ktime_ns = bpf_ktime_get_ns();
        event->ppid = BPF_CORE_READ(task, real_parent, tgid);
        event->uid = (__u32)bpf_get_current_uid_gid();
        event->ret = ret;
        bpf_get_current_comm(event->comm, sizeof(event->comm));
        if (!ret)
            read_new_args(event->args, task);
        APIARY_OUTPUT(execs, event);
    }
    bpf_map_delete_elem(&calls, &key);
    return 0;
}

SEC("tracepoint/syscalls/sys_enter_execve")
int enter_execve(struct enter_context *context)
{
    return enter((const char *)context->args[0], (const char *const *)context->args[1]);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int exit_execve(struct exit_context *context)
{
    return leave(context->ret);
}

SEC("tracepoint/syscalls/sys_enter_execveat")
int enter_execveat(struct enter_context *context)
{
    return enter((const char *)context->args[1], (const char *const *)context->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int exit_execveat(struct exit_context *context)
{
    return leave(context->ret);
}

char LICENSE[] SEC("license") = "GPL";
