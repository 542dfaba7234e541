internal import CLinux
internal import Glibc

/// A child process that is given a few descriptors and nothing else, and a deadline.
public enum Child {
    public struct Exit: Sendable {
        public enum Reason: Sendable, Hashable {
            case exited(Int32)
            case signalled(Int32)
            case deadline
        }
        public let reason: Reason
        /// What it wrote to descriptor 1, at most `outputLimit` bytes; the rest is thrown away.
        public let output: [UInt8]
        public let outputWasCut: Bool
        /// What it wrote to descriptor 2, at most 64 KiB.
        public let errors: [UInt8]
    }

    /// Runs `path` to its end, as `start` and `RunningChild.finish` do. Blocks the caller.
    public static func run(
        _ path: String, arguments: [String], environment: [String] = [],
        descriptors: [Int32] = [], deadlineMilliseconds: Int, outputLimit: Int
    ) throws(Errno) -> Exit {
        try start(path, arguments: arguments, environment: environment, descriptors: descriptors)
            .finish(deadlineMilliseconds: deadlineMilliseconds, outputLimit: outputLimit)
    }

    /// Starts `path`. It gets `/dev/null` as 0, pipes as 1 and 2, and `descriptors` as 3, 4, …;
    /// every other descriptor of ours is close-on-exec.
    /// - Throws: `ENOENT`, `EACCES` of the executable; `EAGAIN`, `EMFILE`, `ENOMEM`.
    public static func start(
        _ path: String, arguments: [String], environment: [String] = [], descriptors: [Int32] = []
    ) throws(Errno) -> RunningChild {
        try start(path, arguments, environment, descriptors, requests: nil)
    }

    /// Starts `path` with a socket as 3, from which it takes the descriptors that
    /// `RunningChild.hand` sends (`FileDescriptor.receive`) and which ends when we do.
    /// - Throws: as the other `start`.
    public static func startWaiting(_ path: String, arguments: [String]) throws(Errno)
        -> RunningChild
    {
        let ends = try channel()
        let requests = FileDescriptor(owning: ends.ours)
        let requestsOfChild = FileDescriptor(owning: ends.childs)
        return try start(path, arguments, [], [requestsOfChild.raw], requests: requests)
    }

    private static func start(
        _ path: String, _ arguments: [String], _ environment: [String], _ descriptors: [Int32],
        requests: consuming FileDescriptor?
    ) throws(Errno) -> RunningChild {
        let outputEnds = try channel()
        let output = FileDescriptor(owning: outputEnds.ours)
        let outputOfChild = FileDescriptor(owning: outputEnds.childs)
        let errorEnds = try channel()
        let errors = FileDescriptor(owning: errorEnds.ours)
        let errorsOfChild = FileDescriptor(owning: errorEnds.childs)
        let process = try spawn(
            path, arguments, environment, [outputOfChild.raw, errorsOfChild.raw] + descriptors)
        // The child's ends must be closed here, or ours never see the end of what it writes.
        _ = consume outputOfChild
        _ = consume errorsOfChild
        return RunningChild(process, output: output, errors: errors, requests: requests)
    }

    /// A channel between the child and us. A socket pair, because pipe2(2) is not imported and a
    /// pipe made close-on-exec afterwards could leak into a child that another thread starts.
    private static func channel() throws(Errno) -> (ours: Int32, childs: Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try check(unsafe socketpair(AF_UNIX, type, 0, &ends))
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String], _ sources: [Int32]
    ) throws(Errno) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe _ = posix_spawn_file_actions_destroy(&actions) }
        // Sources first go above every target, so that no dup2 overwrites a later source; no higher
        // than they must, for there may be few descriptors left.
        var free = Int32(sources.count)
        var places: [Int32] = []
        for source in sources {
            repeat { free += 1 } while sources.contains(free)
            places.append(free)
            try succeed(unsafe posix_spawn_file_actions_adddup2(&actions, source, free))
        }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (index, place) in places.enumerated() {
            let target = Int32(index) + 1
            try succeed(unsafe posix_spawn_file_actions_adddup2(&actions, place, target))
        }
        // Ours are close-on-exec, but the daemon may have inherited others that are not.
        let first = Int32(sources.count) + 1
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, first)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe _ = posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var process = pid_t()
        let result = unsafe withCStrings([path] + arguments) { argv in
            unsafe withCStrings(environment) { envp in
                unsafe posix_spawn(&process, path, &actions, &attributes, argv, envp)
            }
        }
        try succeed(result)
        return process
    }

    /// What belongs to posix_spawn(3) gives the error itself.
    private static func succeed(_ code: Int32) throws(Errno) {
        guard code == 0 else { throw Errno(rawValue: code) }
    }

    private static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        // SAFETY: the copies live until the body has returned; posix_spawn keeps none.
        var pointers = unsafe strings.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return unsafe pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("an empty argv") }
            return unsafe body(base)
        }
    }
}
