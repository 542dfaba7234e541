internal import Linux
internal import Synchronization

/// When the threads of a kind of listener last did something for a client. A listener that is full
/// takes no request of a watchdog, and this tells that it lives all the same.
final class Activity: Sendable {
    private let last = Atomic<UInt64>(0)

    /// Called on the listener's threads, often: one store.
    func note(second: UInt64) { last.store(second, ordering: .relaxed) }

    func wasSeen(withinSeconds seconds: UInt64) -> Bool {
        Clock.coarseMonotonicSeconds() <= last.load(ordering: .relaxed) + seconds
    }
}
