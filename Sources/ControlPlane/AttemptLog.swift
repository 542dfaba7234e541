internal import Linux
public import Registry
internal import Synchronization

/// Takes notes that may not wait for a disk where they arise: attempts that were refused, changes
/// of map entries, uses of tokens. One thread, `audit`, writes them down in batches.
public final class AttemptLog: Sendable {
    private struct Note {
        var origin: ChangeOrigin
        var subject: String
        var outcome: String
    }

    private struct State {
        var notes: [Note] = []
        var dropped: UInt64 = 0
        /// Refusals that may still be noted now, refilled over time.
        var refusals = Double(AttemptLog.refusalBurst)
        var refilledAt = Clock.monotonicNanoseconds()
        var isStopping = false
    }

    /// Notes that wait at most; beyond them they are counted.
    private static let queueLimit = 4096
    /// Denied attempts: so many at once, and so many a second for long. The log is bounded, and
    /// nobody without a credential may push out of it what others did: that takes a day so.
    private static let refusalBurst = 100
    private static let refusalsPerSecond = 1.0
    private static let usesEveryNanoseconds: UInt64 = 30_000_000_000

    private let state = Mutex(State())
    private let wakeup: Wakeup
    private let poller: Poller
    private let thread = Mutex<NamedThread?>(nil)
    private let write:
        @Sendable ([(origin: ChangeOrigin, subject: String, outcome: String)]) -> Void
    private let tick: @Sendable () -> Void
    let stint = Stint()

    /// - Parameters:
    ///   - write: writes a batch; blocks.
    ///   - tick: every 30 s while there is something to do.
    init(
        write:
            @escaping @Sendable (
                [(origin: ChangeOrigin, subject: String, outcome: String)]
            ) -> Void, tick: @escaping @Sendable () -> Void
    ) throws(Errno) {
        self.write = write
        self.tick = tick
        wakeup = try Wakeup()
        poller = try Poller()
        try poller.add(wakeup.raw, tag: 0)
        let thread = try NamedThread("audit") { [weak self] in self?.run() }
        self.thread.withLock { $0 = thread }
    }

    /// Notes a change or attempt. Never blocks; beyond the limit it is only counted.
    public func note(_ origin: ChangeOrigin, subject: String, outcome: String) {
        add(Note(origin: origin, subject: subject, outcome: outcome), isRefusal: false)
    }

    /// Notes an attempt that was denied; those beyond the rate are only counted.
    public func noteDenied(_ origin: ChangeOrigin, subject: String, outcome: String) {
        add(Note(origin: origin, subject: subject, outcome: outcome), isRefusal: true)
    }

    private func add(_ note: Note, isRefusal: Bool) {
        let isFirst = state.withLock { state in
            if isRefusal && !Self.admits(&state) || state.notes.count >= Self.queueLimit {
                state.dropped += 1
                return false
            }
            state.notes.append(note)
            return state.notes.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    private static func admits(_ state: inout State) -> Bool {
        let now = Clock.monotonicNanoseconds()
        let seconds = Double(now - state.refilledAt) / 1e9
        state.refilledAt = now
        state.refusals = min(
            Double(refusalBurst), state.refusals + seconds * refusalsPerSecond)
        guard state.refusals >= 1 else { return false }
        state.refusals -= 1
        return true
    }

    /// Writes what waits and ends the thread.
    func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        thread.withLock { $0?.join() }
    }

    private func run() {
        var isTickDue = false
        while true {
            let timeout: Int32 = isTickDue ? Int32(Self.usesEveryNanoseconds / 1_000_000) : -1
            let tags: [UInt64]
            do { tags = try poller.wait(timeoutMilliseconds: timeout) } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
            if tags.isEmpty {
                stint.run {
                    tick()
                    _ = flush()
                }
                isTickDue = false
                continue
            }
            wakeup.clear()
            isTickDue = true
            if stint.run(flush) { return tick() }
        }
    }

    /// - Returns: whether it was the last time.
    private func flush() -> Bool {
        let (notes, dropped, isStopping) = state.withLock { state in
            defer {
                state.notes = []
                state.dropped = 0
            }
            return (state.notes, state.dropped, state.isStopping)
        }
        var batch = notes.map { (origin: $0.origin, subject: $0.subject, outcome: $0.outcome) }
        if dropped > 0 {
            let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "not_recorded")
            batch.append((origin, "audit", "\(dropped) attempts were over the rate"))
        }
        if !batch.isEmpty { write(batch) }
        return isStopping
    }
}
