internal import Linux

/// Decides which records go when more come than any reader can take: the oldest, which the foremost
/// reader is about to read, or the newest.
///
/// What is evicted before that reader came by was written for nothing, and the processor time it
/// took was the reader's. So where it reads as fast as it can, its records stay, and the newest are
/// only counted: it gets more, in longer runs, and the gap's count is as exact. A program that
/// counts its losses does that itself: the records are left in the ring until that is full.
struct Flood {
    /// Counts at one moment.
    struct Moment {
        /// Monotonic.
        var nanoseconds: UInt64
        /// Records that came, whatever became of them.
        var came: UInt64
        /// As `Lead` has it.
        var passed: UInt64

        /// - Parameter counted: what the program has counted as lost, where it does.
        init(_ stream: EventStream, _ totals: Totals, untold: UInt64, counted: UInt64?) {
            nanoseconds = Clock.monotonicNanoseconds()
            came = totals.received &+ totals.lostInJournal &+ untold &+ (counted ?? 0)
            passed = stream.lead.place.passed
        }
    }

    private let limits: JournalLimits
    /// When the last segment was made.
    private var before: Moment

    /// Whether the reader is kept close behind: what was written a moment ago is still in a cache.
    private var isOn = false
    /// The part of a stream's segments that may lie before the reader then: a quarter.
    private static let shareAhead = 4

    init(_ now: Moment, _ limits: JournalLimits) {
        before = now
        self.limits = limits
    }

    /// A segment was made.
    mutating func begin(_ now: Moment) { before = now }

    /// Whether no segment of `bytes` is to be made yet, of the `most` that the stream may keep.
    /// - Parameter totals: of all that is in the journal.
    mutating func holdsBack(
        _ stream: EventStream, _ totals: Totals, for bytes: Int, of most: Int, _ now: Moment
    ) -> Bool {
        let lead = stream.lead.place.next
        let ahead: UInt64? = stream.state.withLock { state in
            let segments = state.segments
            guard segments.count > 1, !state.readers.isEmpty else { return nil }
            // A reader that was overtaken goes on with the oldest.
            let index = segments.lastIndex { $0.firstSequence <= lead } ?? 0
            let isFar = segments.count - 1 - index >= max(segments.count / Self.shareAhead, 1)
            let isNext = index == 0 && state.retainedBytes + bytes > most
            guard isOn ? isFar : isNext else { return nil }
            return totals.received &- segments[index].header.before.received
        }
        guard let ahead else { return false }
        isOn = isTooMuch(now, ahead)
        return isOn
    }

    /// Whether records come faster than the foremost reader reads, which yet reads fast enough.
    private func isTooMuch(_ now: Moment, _ ahead: UInt64) -> Bool {
        let (came, passed) = (now.came &- before.came, now.passed &- before.passed)
        // A reader that is faster than the ring comes through, whatever is evicted behind it.
        guard passed < came, now.nanoseconds > before.nanoseconds else { return false }
        let elapsed = Double(now.nanoseconds - before.nanoseconds)
        return Double(came) * 1e9 >= Double(limits.floodPerSecond) * elapsed
            && Double(passed) * Double(limits.liveNanoseconds) >= Double(ahead) * elapsed
    }
}
