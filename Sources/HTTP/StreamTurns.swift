internal import Synchronization

/// Whose turn it is among the streams of a kind of listener, so that who asks beside thousands of
/// them is answered soon.
///
/// libmicrohttpd's thread serves all connections that are ready before it looks for requests again.
/// A record for which everybody waits would make all of them ready at once; so no more than
/// `atOnce` are resumed and not yet asked for bytes, and the others queue, first come first served.
final class StreamTurns: Sendable {
    /// About 1.5 ms of an HTTP thread. Fewer cost more: libmicrohttpd goes through all that are
    /// suspended each time that some are resumed.
    static let atOnce = 256

    private struct State {
        var queue: [Suspension] = []
        /// Where the queue begins: what is before is over.
        var head = 0
        /// Turns that were given and not taken yet.
        var given = 0
        var streams = 0

        mutating func next() -> Suspension? {
            guard head < queue.count else { return nil }
            defer { head += 1 }
            if head >= 1024, head * 2 >= queue.count {
                queue.removeFirst(head)
                head = 0
            }
            return queue[head]
        }
    }

    private let state = Mutex(State())

    /// A stream was opened.
    func enter() { state.withLock { $0.streams += 1 } }

    /// A stream was closed.
    func leave() { state.withLock { $0.streams -= 1 } }

    /// Whether a stream that goes on without having waited has to queue as well.
    var isCrowded: Bool { state.withLock { $0.streams > Self.atOnce } }

    /// Resumes a suspended connection when it is its turn. Any thread, no lock held.
    func queue(_ suspension: Suspension) {
        let isNow = state.withLock { state in
            guard state.given < Self.atOnce else {
                state.queue.append(suspension)
                return false
            }
            state.given += 1
            return true
        }
        if isNow, !suspension.resume() { end() }
    }

    /// A turn that was given is over. Any thread, no lock held.
    func end() {
        while true {
            let next = state.withLock { state in
                let next = state.next()
                if next == nil { state.given -= 1 }
                return next
            }
            // One that was ended meanwhile wants no turn.
            guard let next, !next.resume() else { return }
        }
    }
}
