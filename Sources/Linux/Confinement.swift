internal import CLinux
internal import Glibc

/// What a process that handles bytes of a stranger takes away from itself before it looks at them.
public enum Confinement {
    /// Bounds memory and CPU time, forbids core files and new privileges, makes the process die
    /// with the thread that started it and the first to die for want of memory, gives it `name`,
    /// and leaves it the system calls of a load (`SystemCallFilter`).
    ///
    /// - Parameter cpuSeconds: after them SIGXCPU, a second later SIGKILL.
    /// - Parameter mayReceive: descriptors, by `FileDescriptor.receive`.
    /// - Throws: `EPERM`, `EINVAL` where a limit above the present hard one is asked for.
    public static func enter(
        _ name: String, addressSpaceBytes: Int, cpuSeconds: Int, mayReceive: Bool = false
    ) throws(Errno) {
        // Where memory runs out (a map may want more than a cgroup has) this process goes, and not
        // the daemon, which is larger. Without /proc the kernel chooses.
        try? FileDescriptor.open("/proc/self/oom_score_adj", .write)
            .writeAll(Array("1000".utf8).span)
        try limit(RLIMIT_AS, addressSpaceBytes, addressSpaceBytes)
        try limit(RLIMIT_CPU, cpuSeconds, cpuSeconds + 1)
        try limit(RLIMIT_CORE, 0, 0)
        try check(apiary_prctl(PR_SET_NO_NEW_PRIVS, 1))
        try check(apiary_prctl(PR_SET_DUMPABLE, 0))
        try check(apiary_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL)))
        try rename(name)
        do { try SystemCallFilter.install(mayReceive: mayReceive) } catch {
            // A kernel without seccomp; the limits above hold all the same.
            if error != .einval { throw error }
        }
    }

    /// Gives the calling thread, and with it a process of one thread, the name that ps shows.
    /// - Parameter name: the kernel cuts it after 15 bytes.
    public static func rename(_ name: String) throws(Errno) {
        try check(unsafe apiary_set_thread_name(name))
    }

    /// Lowers a limit; one that is lower already stays.
    private static func limit(_ resource: __rlimit_resource, _ soft: Int, _ hard: Int)
        throws(Errno)
    {
        var present = rlimit()
        try check(unsafe getrlimit(Int32(resource.rawValue), &present))
        var wanted = rlimit(
            rlim_cur: min(rlim_t(soft), present.rlim_max),
            rlim_max: min(rlim_t(hard), present.rlim_max))
        try check(unsafe setrlimit(Int32(resource.rawValue), &wanted))
    }
}
