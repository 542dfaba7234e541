internal import Linux
internal import Synchronization

/// One reader: a place in each stream that its query selects, and nothing else. Text and records
/// are the streams'; a reader that does not read costs a few hundred bytes.
///
/// `read` and `close` come from one thread at a time; `close` must be called, once.
public final class Subscription: Sendable {
    public enum Step: Sendable {
        /// Bytes were appended.
        case more
        /// Nothing now: `wake` is called once, from any thread, maybe before `read` returned.
        case wait
        case end
    }

    /// What others tell the reader.
    private struct Signal {
        var wake: (@Sendable () -> Void)?
        /// Whether something below changed since the last look.
        var hasNews = false
        var joined: [EventStream] = []
        var ending: EndReason?
        var ends: EndReason?
        var isHeartbeatDue = false
        var isDeadlineOver = false
        var isClosed = false
    }

    let id: UInt64
    let query: StreamQuery
    private let hub: EventStreams
    private let signal = Mutex(Signal())
    private let reader: Mutex<Reader>
    /// Monotonic; `.max`: never.
    private let heartbeatDeadline: Atomic<UInt64>
    /// Of the query's `wait` or `until`, the same; `.max` too once it is over.
    private let deadline: Atomic<UInt64>

    init(_ id: UInt64, _ query: StreamQuery, _ hub: EventStreams, _ places: [Place]) {
        self.id = id
        self.query = query
        self.hub = hub
        reader = Mutex(Reader(query, hub.journal.id, places))
        heartbeatDeadline = Atomic(.max)
        deadline = Atomic(Self.deadline(of: query))
        pushHeartbeat()
    }

    /// Appends whole lines to `buffer`, or a part of one that is longer; see HTTP's ResponseStream
    /// for `wake`. Blocks at most while another reader renders the same records (tens of us).
    public func read(
        into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void
    ) -> Step {
        let before = buffer.count
        while true {
            let news = signal.withLock { signal in
                let news = signal
                signal.hasNews = false
                signal.joined = []
                signal.isHeartbeatDue = false
                return news
            }
            let (isEnded, hasPaused) = reader.withLock { reader in
                for stream in news.joined { reader.join(stream) }
                let isEnded = reader.read(
                    into: &buffer,
                    Reader.News(
                        ending: news.ends,
                        whenDone: news.ending.flatMap { hub.isOpen(query) ? nil : $0 },
                        isHeartbeatDue: news.isHeartbeatDue,
                        isDeadlineOver: news.isDeadlineOver))
                return (isEnded, reader.hasPaused)
            }
            if buffer.count > before {
                pushHeartbeat()
                return .more
            }
            if isEnded { return .end }
            // An empty buffer has no room: that is the caller's, who asks again at once.
            if buffer.freeCapacity == 0 || hasPaused { return .more }
            if arm(wake) { return .wait }
        }
    }

    /// Ends the reader: `wake` is not called any more.
    public func close() {
        signal.withLock { signal in
            signal.wake = nil
            signal.isClosed = true
        }
        hub.remove(self)
        for stream in hub.journal.streams where hub.selects(query, stream.key) { stream.remove(id) }
        for place in places() { place.stream.remove(id) }
    }

    /// Counts itself among the stream's readers.
    func enter(_ stream: EventStream) {
        signal.withLock { signal in
            guard !signal.isClosed else { return }
            stream.state.withLock { _ = $0.readers.insert(id) }
        }
    }

    /// Copies of its places, all of one moment.
    func places() -> [Place] { reader.withLock { $0.places } }

    private static func deadline(of query: StreamQuery) -> UInt64 {
        let now = Clock.monotonicNanoseconds()
        if let wait = query.waitNanoseconds { return now + wait }
        guard let until = query.untilNanoseconds, query.follow else { return .max }
        let wall = Clock.realtimeNanoseconds()
        // What is earlier may still be on its way from the ring.
        return now + (until > wall ? until - wall : 0) + 500_000_000
    }
}

// MARK: - Waiting and being woken

extension Subscription {
    /// Makes sure that `wake` will be called. False where there is something to read already.
    private func arm(_ wake: @escaping @Sendable () -> Void) -> Bool {
        let isArmed = signal.withLock { signal in
            guard !signal.hasNews else { return false }
            signal.wake = wake
            return true
        }
        guard isArmed else { return false }
        let hasMore = reader.withLock { reader in
            reader.places.contains { place in
                place.stream.state.withLock { state in
                    if place.isDone { return false }
                    if state.end.nextSequence > place.sequence { return true }
                    state.waiting[id] = self
                    return false
                }
            }
        }
        guard hasMore else { return true }
        // Who came in between has called, or will call, `wake`: then this is a wait.
        return signal.withLock { signal in
            defer { signal.wake = nil }
            return signal.wake == nil
        }
    }

    /// There may be more to read. Any thread; calls out, so no lock may be held.
    func wakeUp() {
        // Not as the result of `withLock`: a closure that passes through a generic one is wrapped
        // anew, which would be an allocation for each wake-up.
        var wake: (@Sendable () -> Void)?
        signal.withLock { signal in
            wake = signal.wake
            signal.wake = nil
        }
        wake?()
    }

    private func tell(_ change: (inout Signal) -> Void) {
        signal.withLock { signal in
            change(&signal)
            signal.hasNews = true
        }
        wakeUp()
    }

    /// A stream that the query selects was opened, maybe for the first time.
    func join(_ stream: EventStream) {
        enter(stream)
        tell { signal in
            signal.ending = nil
            signal.joined.append(stream)
        }
    }

    /// A stream that the query selects by its program was closed.
    func finish(_ reason: EndReason) { tell { $0.ending = reason } }

    func shutDown() { end(.shutdown) }

    /// Ends the answer now, whatever has not been read. Any thread.
    public func end(_ reason: EndReason) { tell { $0.ends = $0.ends ?? reason } }

    private func pushHeartbeat() {
        guard query.heartbeatSeconds > 0, query.records != .events else { return }
        let interval = UInt64(query.heartbeatSeconds) * 1_000_000_000
        heartbeatDeadline.store(Clock.monotonicNanoseconds() + interval, ordering: .relaxed)
    }

    /// Heartbeats of many readers are done together: they may be late by this.
    private static let slackNanoseconds: UInt64 = 250_000_000

    /// Wakes the reader where its heartbeat or its deadline is due. - Returns: when to ask again.
    func beat(now: UInt64) -> UInt64 {
        let end = deadline.load(ordering: .relaxed)
        if end <= now {
            deadline.store(.max, ordering: .relaxed)
            tell { $0.isDeadlineOver = true }
        }
        let next = beatHeart(now)
        let slack = next == .max ? 0 : Self.slackNanoseconds
        return min(next + slack, end <= now ? .max : end)
    }

    private func beatHeart(_ now: UInt64) -> UInt64 {
        let due = heartbeatDeadline.load(ordering: .relaxed)
        guard due <= now else { return due }
        let isWaiting = signal.withLock { $0.wake != nil }
        if isWaiting { tell { $0.isHeartbeatDue = true } }
        // One that does not wait has bytes to send, and is asked again later.
        pushHeartbeat()
        return heartbeatDeadline.load(ordering: .relaxed)
    }
}

extension EventStream {
    func remove(_ reader: UInt64) {
        let isLast = state.withLock { state in
            state.forget(reader)
            return state.readers.isEmpty
        }
        if isLast { renderings.dropAll() }
    }
}
