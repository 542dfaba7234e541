internal import CLinux
internal import Glibc

/// A child process that was started and must be waited for, by `finish` or `end`.
public final class RunningChild: Sendable {
    private let process: pid_t
    private let output: FileDescriptor
    private let errors: FileDescriptor
    private let requests: SharedDescriptor?

    init(
        _ process: pid_t, output: consuming FileDescriptor, errors: consuming FileDescriptor,
        requests: consuming FileDescriptor?
    ) {
        self.process = process
        self.output = output
        self.errors = errors
        if let requests {
            self.requests = SharedDescriptor(requests)
        } else {
            self.requests = nil
        }
    }

    /// Hands a child of `startWaiting` copies of descriptors.
    /// - Throws: `EPIPE` where it has ended; `EINVAL` more than 8, or a child of `start`.
    public func hand(_ descriptors: [Int32]) throws(Errno) {
        guard let socket = requests?.descriptor.raw else { throw .einval }
        try check(
            unsafe apiary_send_descriptors(socket, descriptors, Int32(descriptors.count)))
    }

    /// Kills it and waits for that, in place of `finish`.
    public func end() { _ = finish(deadlineMilliseconds: 0, outputLimit: 0) }

    /// Takes what it writes until its end, and its exit status. Blocks; once for each child.
    /// - Parameter deadlineMilliseconds: from now; after it the child gets SIGKILL, and the reason
    ///   is `deadline`.
    /// - Parameter outputLimit: bytes of its output that are kept.
    public func finish(deadlineMilliseconds: Int, outputLimit: Int) -> Child.Exit {
        finish(collect(deadlineMilliseconds, outputLimit, untilOutputEnds: false))
    }

    /// What a child has written before it closed its output, and what is left to do.
    public struct Output: Sendable {
        public fileprivate(set) var bytes: [UInt8] = []
        public fileprivate(set) var wasCut = false
        fileprivate var errors: [UInt8] = []
        fileprivate var isKilled = false
        fileprivate let deadline: UInt64
    }

    /// Takes what it writes until it closes its output, which is a little before its end: `finish`
    /// must follow. Parameters and deadline as there.
    public func output(deadlineMilliseconds: Int, outputLimit: Int) -> Output {
        collect(deadlineMilliseconds, outputLimit, untilOutputEnds: true)
    }

    private func collect(
        _ deadlineMilliseconds: Int, _ outputLimit: Int, untilOutputEnds: Bool
    ) -> Output {
        var taken = Output(
            deadline: Clock.monotonicNanoseconds() + UInt64(deadlineMilliseconds) * 1_000_000)
        var openPipes = [
            pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors.raw, events: Int16(POLLIN), revents: 0),
        ]
        while untilOutputEnds
            ? openPipes[0].fd >= 0 : openPipes.contains(where: { $0.fd >= 0 })
        {
            let nanoseconds = Clock.nanosecondsLeft(until: taken.deadline)
            let left = nanoseconds > 0 ? Int32(clamping: nanoseconds / 1_000_000 + 1) : 0
            if left == 0 && !taken.isKilled {
                kill(process, SIGKILL)
                taken.isKilled = true
            }
            let ready = unsafe poll(&openPipes, 2, taken.isKilled ? 1000 : left)
            if ready < 0 && Glibc.errno != EINTR { break }
            // A grandchild may hold the pipe open; after the kill nothing more is waited for.
            if taken.isKilled && ready == 0 { break }
            for index in openPipes.indices where openPipes[index].revents != 0 {
                let piece = index == 0 ? bytes(of: output) : bytes(of: errors)
                guard !piece.isEmpty else {
                    openPipes[index].fd = -1
                    continue
                }
                if index == 0 {
                    let room = max(0, outputLimit - taken.bytes.count)
                    taken.wasCut = taken.wasCut || piece.count > room
                    taken.bytes.append(contentsOf: piece.prefix(room))
                } else {
                    taken.errors.append(
                        contentsOf: piece.prefix(max(0, 65536 - taken.errors.count)))
                }
            }
        }
        return taken
    }

    /// Waits for its end, up to the deadline that was given to `output`.
    public func finish(_ output: Output) -> Child.Exit {
        var taken = output
        if !taken.isKilled {
            let left = Int(Clock.nanosecondsLeft(until: taken.deadline) / 1_000_000)
            let rest = collect(left, 0, untilOutputEnds: false)
            taken.errors.append(contentsOf: rest.errors.prefix(65536 - taken.errors.count))
            taken.isKilled = rest.isKilled
        }
        // A child may close its pipes and live on: the deadline holds for its life.
        if !taken.isKilled { awaitEnd(of: process, until: taken.deadline) }
        var status: Int32 = 0
        if unsafe waitpid(process, &status, WNOHANG) != process {
            taken.isKilled = true
            kill(process, SIGKILL)
            awaitEnd(of: process, until: Clock.monotonicNanoseconds() + 2_000_000_000)
            if unsafe waitpid(process, &status, WNOHANG) != process { abandon(process) }
        }
        let signal = status & 0x7f
        let reason: Child.Exit.Reason =
            if taken.isKilled { .deadline } else if signal != 0 { .signalled(signal) } else {
                .exited((status >> 8) & 0xff)
            }
        return Child.Exit(
            reason: reason, output: taken.bytes, outputWasCut: taken.wasCut, errors: taken.errors)
    }

    /// Leaves one that SIGKILL does not end, as it hangs in the kernel, to a thread of its own.
    private func abandon(_ process: pid_t) {
        // Without a thread to spare it stays a zombie, if it ever ends.
        _ = try? NamedThread("reaper") {
            var status: Int32 = 0
            while unsafe waitpid(process, &status, 0) < 0 && Glibc.errno == EINTR {}
        }
    }

    /// Waits until the process has ended or the deadline is over.
    private func awaitEnd(of process: pid_t, until deadline: UInt64) {
        let raw = apiary_pidfd_open(process)
        // Before kernel 5.3, or without a descriptor to spare: look again and again.
        let ended = raw < 0 ? nil : SharedDescriptor(FileDescriptor(owning: raw))
        while true {
            let left = Clock.nanosecondsLeft(until: deadline)
            if left == 0 { return }
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

    /// What is there to be read; empty at the end and on an error, after which nothing comes.
    private func bytes(of descriptor: borrowing FileDescriptor) -> [UInt8] {
        do { return try descriptor.read(atMost: 64 << 10) } catch { return [] }
    }
}
