internal import Glibc

/// Signals as messages: blocked everywhere, taken one by one by the thread that waits for them.
public enum Signal: Int32, Sendable, CaseIterable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15

    /// Blocks these signals in the calling thread and in those that it starts, and ignores SIGPIPE:
    /// a peer that went away is an error of write(2). Call it first in `main`.
    public static func takeOver() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in allCases { unsafe sigaddset(&set, signal.rawValue) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        Glibc.signal(SIGPIPE, SIG_IGN)
    }

    /// Sends it to this process: the thread that waits takes it.
    public func send() { kill(getpid(), rawValue) }

    /// Waits for the next one.
    /// - Parameter timeoutNanoseconds: `nil` waits for ever.
    /// - Returns: `nil` when the time is over.
    public static func next(timeoutNanoseconds: UInt64? = nil) -> Signal? {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in allCases { unsafe sigaddset(&set, signal.rawValue) }
        var time = timespec()
        if let timeoutNanoseconds {
            time.tv_sec = Int(timeoutNanoseconds / 1_000_000_000)
            time.tv_nsec = Int(timeoutNanoseconds % 1_000_000_000)
        }
        while true {
            let number =
                timeoutNanoseconds == nil
                ? unsafe sigwaitinfo(&set, nil) : unsafe sigtimedwait(&set, nil, &time)
            if let signal = Signal(rawValue: number) { return signal }
            if number < 0 && Glibc.errno == EAGAIN { return nil }
        }
    }
}

/// This process's bounds, getrlimit(2).
public enum ProcessLimits {
    /// Raises the number of descriptors to the hard limit, and locked memory to what may be had:
    /// before kernel 5.11 maps are locked memory.
    /// - Returns: the descriptors that may be open now.
    public static func raise() -> Int {
        var limit = descriptorLimit
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var memory = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
        // Refused without CAP_SYS_RESOURCE; then what is there must do.
        let lockedMemory: UInt32 = 8  // RLIMIT_MEMLOCK of asm-generic/resource.h, not imported
        unsafe setrlimit(__rlimit_resource_t(lockedMemory), &memory)
        return Int(clamping: limit.rlim_cur)
    }

    /// Descriptors that may be open, RLIMIT_NOFILE.
    public static var descriptors: Int { Int(clamping: descriptorLimit.rlim_cur) }

    private static var descriptorLimit: rlimit {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit
    }

    public static var userID: UInt32 { geteuid() }

    public static var processID: Int32 { getpid() }

    /// The path of the running executable.
    public static func executable() throws(Errno) -> String {
        try FileSystem.resolve("/proc/self/exe")
    }
}

/// A file that one process at a time may hold, flock(2). Given back when the process ends, however.
public final class FileLock: Sendable {
    private let descriptor: FileDescriptor

    /// - Throws: `EAGAIN` where another process holds it.
    public init(_ path: String) throws(Errno) {
        descriptor = try FileDescriptor.open(path, [.readWrite, .create], mode: 0o600)
        try check(flock(descriptor.raw, LOCK_EX | LOCK_NB))
    }

    /// Locks a directory itself, where no file can be made: a bpffs.
    /// - Throws: `EAGAIN` where another process holds it.
    public init(directory: String) throws(Errno) {
        descriptor = try FileDescriptor.open(directory, [.read, .directory])
        try check(flock(descriptor.raw, LOCK_EX | LOCK_NB))
    }
}
