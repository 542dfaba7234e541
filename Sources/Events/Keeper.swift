internal import Linux
internal import Synchronization

/// The thread of the heartbeats: sleeps until the next is due, for ever where nobody reads.
final class Keeper: Sendable {
    private let poller: Poller
    private let wakeup: Wakeup
    private let isStopped = Atomic<Bool>(false)
    private let rounds = Atomic<UInt64>(0)
    private let thread = Mutex<NamedThread?>(nil)

    /// - Parameter beat: gives the due heartbeats and says when the next one is.
    init(_ beat: @escaping @Sendable (_ now: UInt64) -> UInt64?) throws(Errno) {
        poller = try Poller()
        wakeup = try Wakeup()
        try poller.add(wakeup.raw, tag: 0)
        let thread = try NamedThread("keeper") { [self] in run(beat) }
        self.thread.withLock { $0 = thread }
    }

    /// A reader came: its heartbeat may be the next.
    func look() { wakeup.signal() }

    /// Waits until the thread went around once more.
    func waitForRound() {
        let before = rounds.load(ordering: .relaxed)
        look()
        while rounds.load(ordering: .relaxed) == before { Clock.sleep(nanoseconds: 1_000_000) }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func run(_ beat: (UInt64) -> UInt64?) {
        while !isStopped.load(ordering: .acquiring) {
            rounds.wrappingAdd(1, ordering: .relaxed)
            let now = Clock.monotonicNanoseconds()
            var timeout: Int32 = -1
            if let next = beat(now) {
                let wait = next > now ? next - now : 0
                timeout = Int32(clamping: (wait + 999_999) / 1_000_000)
            }
            do {
                if try !poller.wait(timeoutMilliseconds: timeout).isEmpty { wakeup.clear() }
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
        }
    }
}
