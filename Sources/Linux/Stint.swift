internal import Synchronization

/// How long a thread has been at one piece of work, for a watchdog. Any thread.
public final class Stint: Sendable {
    /// Of the monotonic clock; 0 between two pieces of work.
    private let began = Atomic<UInt64>(0)

    /// Idle.
    public init() {}

    /// Does a piece of work on the thread that it belongs to.
    public func run<Result>(_ work: () -> Result) -> Result {
        began.store(Clock.monotonicNanoseconds(), ordering: .relaxed)
        defer { began.store(0, ordering: .relaxed) }
        return work()
    }

    /// False between two pieces of work.
    public func isLonger(thanSeconds limit: UInt64) -> Bool {
        let began = began.load(ordering: .relaxed)
        return began > 0 && Clock.monotonicNanoseconds() > began + limit * 1_000_000_000
    }
}
