internal import BPF
internal import Linux
internal import Loading
public import Problems
internal import Synchronization

/// Whether this daemon has the kernel count runs now: other daemons' and tools' holds are not seen.
public enum RunStatisticsState {
    struct Holds {
        var count = 0
        var statistics: RunStatistics?
    }

    private static let holds = Mutex(Holds())

    public static var isHeld: Bool { holds.withLock { $0.count > 0 } }

    /// - Throws: `EPERM`; `EINVAL` before 5.8.
    static func hold() throws(BPFError) {
        try holds.withLock { holds throws(BPFError) in
            if holds.statistics == nil { holds.statistics = try RunStatistics() }
            holds.count += 1
        }
    }

    static func release() {
        holds.withLock { holds in
            holds.count -= 1
            if holds.count == 0 { holds.statistics = nil }
        }
    }

    static var count: Int { holds.withLock { $0.count } }
}

/// What a function did while somebody looked.
public struct MeasuredRuns: Sendable {
    public let durationNanoseconds: UInt64
    public let runCount: UInt64
    public let runTimeNanoseconds: UInt64
}

extension Node {
    /// Measurements that block a worker at the same time.
    private static let mostMeasurements = 2

    /// Has the kernel count runs for good: `run_stats` of the configuration.
    /// - Throws: `host_lacks`, `kernel_forbids`.
    public func holdRunStatistics() throws(Problem) {
        do { try RunStatisticsState.hold() } catch {
            throw Problem(error, while: "count the runs of programs (BPF_ENABLE_STATS, kernel 5.8)")
        }
    }

    /// Has the kernel count runs for so long, and tells what a function did. Every program of the
    /// host costs some 20 ns more a run meanwhile. Blocks.
    /// - Throws: `conflict` where the program is not loaded; `too_many_requests`.
    public func measure(_ program: ProgramView, _ function: String, milliseconds: Int)
        throws(Problem) -> MeasuredRuns
    {
        let loaded = try heldFunction(program.row.name, function)
        let isTooMuch = measurements.withLock { count in
            if count >= Self.mostMeasurements { return true }
            count += 1
            return false
        }
        if isTooMuch {
            throw Problem(
                .tooManyRequests,
                "\(Self.mostMeasurements) measurements run already, and each holds a worker.")
        }
        defer { measurements.withLock { $0 -= 1 } }
        try holdRunStatistics()
        defer { RunStatisticsState.release() }
        do throws(BPFError) {
            let start = Clock.monotonicNanoseconds()
            let before = try loaded.info()
            Clock.sleep(nanoseconds: UInt64(milliseconds) * 1_000_000)
            let after = try loaded.info()
            return MeasuredRuns(
                durationNanoseconds: Clock.monotonicNanoseconds() - start,
                runCount: after.runCount &- before.runCount,
                runTimeNanoseconds: after.runTimeNanoseconds &- before.runTimeNanoseconds)
        } catch {
            throw Problem(error, while: "tell about \(program.row.name).\(function)")
        }
    }
}
