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

    /// Runs `path` to its end. It gets `/dev/null` as 0, pipes as 1 and 2, and `descriptors` as 3,
    /// 4, …; every other descriptor of ours is close-on-exec. Blocks the calling thread.
    /// - Parameter deadlineMilliseconds: after it the child gets SIGKILL and the reason is
    ///   `deadline`.
    /// - Throws: `ENOENT`, `EACCES` of the executable; `EAGAIN`, `EMFILE`, `ENOMEM`.
    public static func run(
        _ path: String, arguments: [String], environment: [String] = [],
        descriptors: [Int32] = [], deadlineMilliseconds: Int, outputLimit: Int
    ) throws(Errno) -> Exit {
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
        return collect(process, output, errors, deadlineMilliseconds, outputLimit)
    }

    /// A one-way channel from the child to us. A socket pair, because pipe2(2) is not imported and
    /// a pipe made close-on-exec afterwards could leak into a child that another thread starts.
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
        // Sources first go above every target, so that no dup2 overwrites a later source.
        let shift = max(200, (sources.max() ?? 0) + 1)
        for (index, source) in sources.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, source, shift + Int32(index))
        }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for index in sources.indices {
            unsafe posix_spawn_file_actions_adddup2(
                &actions, shift + Int32(index), Int32(index) + 1)
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
        guard result == 0 else { throw Errno(rawValue: result) }
        return process
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

    private static func collect(
        _ process: pid_t, _ output: borrowing FileDescriptor, _ errors: borrowing FileDescriptor,
        _ deadlineMilliseconds: Int, _ outputLimit: Int
    ) -> Exit {
        let deadline = Clock.monotonicNanoseconds() + UInt64(deadlineMilliseconds) * 1_000_000
        var text: [UInt8] = []
        var errorText: [UInt8] = []
        var wasCut = false
        var killed = false
        var openPipes = [
            pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors.raw, events: Int16(POLLIN), revents: 0),
        ]
        while openPipes.contains(where: { $0.fd >= 0 }) {
            let now = Clock.monotonicNanoseconds()
            let left = deadline > now ? Int32((deadline - now) / 1_000_000) + 1 : 0
            if left == 0 && !killed {
                kill(process, SIGKILL)
                killed = true
            }
            let ready = unsafe poll(&openPipes, 2, killed ? 1000 : left)
            if ready < 0 && Glibc.errno != EINTR { break }
            // A grandchild may hold the pipe open; after the kill nothing more is waited for.
            if killed && ready == 0 { break }
            for index in openPipes.indices where openPipes[index].revents != 0 {
                let piece = index == 0 ? bytes(of: output) : bytes(of: errors)
                guard !piece.isEmpty else {
                    openPipes[index].fd = -1
                    continue
                }
                if index == 0 {
                    let room = max(0, outputLimit - text.count)
                    wasCut = wasCut || piece.count > room
                    text.append(contentsOf: piece.prefix(room))
                } else {
                    errorText.append(contentsOf: piece.prefix(max(0, 65536 - errorText.count)))
                }
            }
        }
        // A child may close its pipes and live on: the deadline holds for its life.
        if !killed { awaitEnd(of: process, until: deadline) }
        var status: Int32 = 0
        if unsafe waitpid(process, &status, WNOHANG) != process {
            killed = true
            kill(process, SIGKILL)
            awaitEnd(of: process, until: Clock.monotonicNanoseconds() + 2_000_000_000)
            if unsafe waitpid(process, &status, WNOHANG) != process { abandon(process) }
        }
        let signal = status & 0x7f
        let reason: Exit.Reason =
            if killed { .deadline } else if signal != 0 { .signalled(signal) } else {
                .exited((status >> 8) & 0xff)
            }
        return Exit(reason: reason, output: text, outputWasCut: wasCut, errors: errorText)
    }

    /// Leaves one that SIGKILL does not end, as it hangs in the kernel, to a thread of its own.
    private static func abandon(_ process: pid_t) {
        // Without a thread to spare it stays a zombie, if it ever ends.
        _ = try? NamedThread("reaper") {
            var status: Int32 = 0
            while unsafe waitpid(process, &status, 0) < 0 && Glibc.errno == EINTR {}
        }
    }

    /// Waits until the process has ended or the deadline is over.
    private static func awaitEnd(of process: pid_t, until deadline: UInt64) {
        let raw = apiary_pidfd_open(process)
        // Before kernel 5.3, or without a descriptor to spare: look again and again.
        let ended = raw < 0 ? nil : SharedDescriptor(FileDescriptor(owning: raw))
        while Clock.monotonicNanoseconds() < deadline {
            let left = deadline - Clock.monotonicNanoseconds()
            guard let ended else {
                var information = unsafe siginfo_t()
                let flags = WEXITED | WNOHANG | WNOWAIT
                let result = unsafe waitid(P_PID, id_t(process), &information, flags)
                if unsafe result != 0 || information.si_signo != 0 { return }
                Clock.sleep(nanoseconds: 200_000)
                continue
            }
            var wanted = pollfd(fd: ended.descriptor.raw, events: Int16(POLLIN), revents: 0)
            let timeout = Int32(clamping: left / 1_000_000 + 1)
            if unsafe poll(&wanted, 1, timeout) > 0 { return }
        }
    }

    private final class SharedDescriptor {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    /// What is there to be read; empty at the end and on an error, after which nothing comes.
    private static func bytes(of descriptor: borrowing FileDescriptor) -> [UInt8] {
        do { return try descriptor.read(atMost: 64 << 10) } catch { return [] }
    }
}
