public import Linux
internal import Synchronization

/// One loader that is started, linked and confined already and waits for its task, so that a load
/// does not wait for all that. It serves one task, as every loader does; then the next is started.
///
/// It waits in recvmsg(2) and costs nothing but 6 MB, most of it shared; it ends with the daemon,
/// however that ends, for its socket ends then.
public final class SpareLoader: Sendable {
    private struct State {
        var waiting: RunningChild?
        /// Loaders that have answered and come to their end.
        var ending: [(child: RunningChild, output: RunningChild.Output)] = []
        var isStopped = false
    }

    private let executable: String
    private let limits: LoaderLimits
    private let state = Mutex(State())
    private let wanted = Semaphore()
    private let thread = Mutex<NamedThread?>(nil)
    /// Of its thread.
    public let stint = Stint()

    /// The word on the command line by which a loader knows that it is to wait, followed by the
    /// limits: bytes of address space, seconds of CPU time.
    public static let argument = "wait"

    /// How long the next one is not started after a load: what the load has to do yet is more
    /// urgent, and takes the same processors.
    private static let pauseNanoseconds: UInt64 = 10_000_000

    /// Starts none before `replenish()`.
    /// - Throws: `EAGAIN` at the limit of threads.
    public init(executable: String, limits: LoaderLimits) throws(Errno) {
        self.executable = executable
        self.limits = limits
        // A thread of its own: a loader dies with the thread that started it (PR_SET_PDEATHSIG).
        let thread = try NamedThread("spare-loader") { [self] in
            repeat { wanted.wait() } while stint.run(serve)
        }
        self.thread.withLock { $0 = thread }
    }

    /// Gives the one that waits its task.
    /// - Parameter descriptors: what it gets as 3, 4, ….
    /// - Returns: nil where none waits.
    func take(_ descriptors: [Int32]) -> RunningChild? {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            return state.waiting
        }
        guard let waiting else { return nil }
        do { try waiting.hand(descriptors) } catch {
            // Somebody has ended it.
            waiting.end()
            return nil
        }
        return waiting
    }

    /// Waits, on its own thread, for the end of one that has answered.
    func bury(_ child: RunningChild, _ output: RunningChild.Output) {
        state.withLock { $0.ending.append((child, output)) }
        wanted.signal()
    }

    /// Has one started soon, unless one waits. Does not block.
    public func replenish() { wanted.signal() }

    /// Ends it and the thread. Loaders that it has given away go on no longer than the thread:
    /// after the last load.
    public func stop() {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.isStopped = true
            return state.waiting
        }
        wanted.signal()
        waiting?.end()
        thread.withLock { $0 }?.join()
    }

    private func serve() -> Bool {
        let (ending, isNeeded, isStopped) = state.withLock { state in
            defer { state.ending = [] }
            return (state.ending, state.waiting == nil, state.isStopped)
        }
        for (child, output) in ending { _ = child.finish(output) }
        if isStopped || !isNeeded { return !isStopped }
        Clock.sleep(nanoseconds: Self.pauseNanoseconds)
        let arguments = [
            Self.argument, "\(limits.addressSpaceBytes)", "\(limits.cpuSeconds)",
        ]
        let child: RunningChild
        // Whoever loads next starts its own, and says why that failed.
        do { child = try Child.startWaiting(executable, arguments: arguments) } catch {
            return true
        }
        let isLate = state.withLock { state in
            if !state.isStopped { state.waiting = child }
            return state.isStopped
        }
        if isLate { child.end() }
        return true
    }
}
