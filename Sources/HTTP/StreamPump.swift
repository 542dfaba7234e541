internal import CMicrohttpd
internal import Linux
internal import Synchronization

/// Feeds one `ResponseStream` to one connection. Its methods are called on the connection's HTTP
/// thread, `produced` from any.
final class StreamPump: Sendable {
    /// What the stream said last, where it was not yet acted upon.
    private enum Pending { case ask, wait, end, abort }

    // MHD_CONTENT_READER_END_OF_STREAM, _END_WITH_ERROR: casts, which Swift does not import.
    private static let endOfStream = -1
    private static let endWithError = -2
    /// How often a stream that is woken before it waited is asked again before others' turn.
    private static let askLimit = 16

    let suspension: Suspension
    private let stream: any ResponseStream
    private let turns: StreamTurns
    private let activity: Activity
    private let wake: @Sendable () -> Void
    private let bytes = Atomic<UInt64>(0)
    // Only touched by the connection's HTTP thread.
    private nonisolated(unsafe) var pending = Pending.ask
    private nonisolated(unsafe) var isClosed = false
    /// That were asked for since its last turn.
    private nonisolated(unsafe) var pieces = 0

    init(
        _ stream: any ResponseStream, _ suspension: Suspension, _ turns: StreamTurns,
        _ activity: Activity
    ) {
        self.stream = stream
        self.turns = turns
        turns.enter()
        self.activity = activity
        self.suspension = suspension
        wake = { suspension.wake() }
    }

    /// Bytes handed to the connection so far.
    var produced: UInt64 { bytes.load(ordering: .relaxed) }

    /// What MHD_ContentReaderCallback returns: a count, 0 where the connection was suspended.
    func fill(_ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var asked = 0
        activity.note(second: Clock.coarseMonotonicSeconds())
        if mustQueue() {
            return suspension.yield() == .ending ? Self.endWithError : 0
        }
        while true {
            switch unsafe pending {
            case .end: return Self.endOfStream
            case .abort: return Self.endWithError
            case .wait:
                unsafe pending = .ask
                switch suspension.suspend() {
                case .suspended: return 0
                case .ending: return Self.endWithError
                case .woken: break
                }
            case .ask: break
            }
            if suspension.isEnding { return Self.endWithError }
            if asked == Self.askLimit {
                return suspension.yield() == .ending ? Self.endWithError : 0
            }
            asked += 1
            let count = unsafe ask(buffer)
            if count > 0 { return count }
        }
    }

    /// One that always has bytes would be served before everybody who queues. The second piece of
    /// a turn is mostly that there is nothing more.
    private func mustQueue() -> Bool {
        if suspension.endTurn() { unsafe pieces = 0 }
        unsafe pieces += 1
        return unsafe pieces > 2 && pending == .ask && turns.isCrowded
    }

    private func ask(_ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        // SAFETY: the buffer is the connection's for this call, uninitialized; the span counts
        // what the stream wrote and cannot go beyond it.
        var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
        switch stream.next(into: &output, wake: wake) {
        case .more: unsafe pending = .ask
        case .wait: unsafe pending = .wait
        case .end: unsafe pending = .end
        case .abort: unsafe pending = .abort
        }
        let count = unsafe output.finalize(for: buffer)
        bytes.wrappingAdd(UInt64(count), ordering: .relaxed)
        return count
    }

    var handlesStalls: Bool { stream.handlesStalls }

    /// Tells the stream that its client takes nothing.
    func stalled() { stream.stalled() }

    /// The request is over, however it ended.
    func close() {
        guard unsafe !isClosed else { return }
        unsafe isClosed = true
        turns.leave()
        suspension.close()
        stream.closed()
    }
}
