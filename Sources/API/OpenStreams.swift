internal import ControlPlane
internal import HTTP
internal import Linux
internal import Problems
internal import Synchronization

/// A stream that can say why it ends.
protocol EndableStream: ResponseStream {
    /// Any thread; the stream says so at once and ends.
    func endRevoked()
}

/// The streams that are open, by credential: to bound how many, and to end them with it.
final class OpenStreams: Sendable {
    private struct State {
        var streams: [UInt64: GuardedStream] = [:]
        var counts: [Caller.Credential: Int] = [:]
        var next: UInt64 = 1
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: streams of one credential; a local admin has none.
    init(limit: Int) { self.limit = limit }

    var count: Int { state.withLock { $0.streams.count } }

    /// Counts a stream of the caller's in.
    /// - Throws: `too_many_requests` at the limit; the stream is closed then.
    func guarded(_ stream: any ResponseStream, _ caller: Caller) throws(Problem)
        -> any ResponseStream
    {
        let made: GuardedStream? = state.withLock { state in
            let count = state.counts[caller.credential] ?? 0
            guard count < limit || caller.isLocalAdmin else { return nil }
            let made = GuardedStream(state.next, stream, caller, self)
            state.streams[state.next] = made
            state.counts[caller.credential] = count + 1
            state.next += 1
            return made
        }
        guard let made else {
            stream.closed()
            throw Problem(
                .tooManyRequests,
                "This credential has \(limit) open streams, the limit "
                    + "(streams_per_credential): end one first.")
        }
        return made
    }

    func close(_ stream: GuardedStream) {
        state.withLock { state in
            guard state.streams.removeValue(forKey: stream.number) != nil else { return }
            let count = (state.counts[stream.caller.credential] ?? 1) - 1
            state.counts[stream.caller.credential] = count == 0 ? nil : count
        }
    }

    /// Ends all of a credential that was revoked.
    func end(_ credential: Caller.Credential) { end { $0.credential == credential } }

    /// Ends those of callers who may have none any more.
    func end(where isOver: (Caller) -> Bool) {
        let streams = state.withLock { state in
            state.streams.values.filter { isOver($0.caller) }
        }
        for stream in streams { stream.end() }
    }
}

/// A stream that ends with its credential.
final class GuardedStream: ResponseStream {
    private struct State {
        var wake: (@Sendable () -> Void)?
        var isEnding = false
    }

    let number: UInt64
    let caller: Caller
    private let stream: any ResponseStream
    private let owner: OpenStreams
    private let state = Mutex(State())

    init(_ number: UInt64, _ stream: any ResponseStream, _ caller: Caller, _ owner: OpenStreams) {
        self.number = number
        self.stream = stream
        self.caller = caller
        self.owner = owner
    }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        // Asked at least with each heartbeat, and before each event.
        if let end = caller.expiresAtNanoseconds, end <= Clock.realtimeNanoseconds() { self.end() }
        let breaksOff = state.withLock { state in
            if state.wake == nil { state.wake = wake }
            return state.isEnding && !(stream is any EndableStream)
        }
        return breaksOff ? .abort : stream.next(into: &buffer, wake: wake)
    }

    var handlesStalls: Bool { stream.handlesStalls }

    func stalled() { stream.stalled() }

    func closed() {
        owner.close(self)
        stream.closed()
    }

    /// One that cannot say why is broken off, so that the client sees the truncation.
    func end() {
        let wake = state.withLock { state in
            defer { state.isEnding = true }
            return state.isEnding ? nil : state.wake
        }
        if let endable = stream as? any EndableStream { endable.endRevoked() } else { wake?() }
    }
}
