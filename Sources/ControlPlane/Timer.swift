internal import Linux
internal import Synchronization

/// A thread that does something, sleeps as long as that says, and does it again.
final class Timer: Sendable {
    private let poller: Poller
    private let wakeup: Wakeup
    private let isStopped = Atomic<Bool>(false)
    private let thread = Mutex<NamedThread?>(nil)
    let stint = Stint()

    /// - Parameter body: says after how many milliseconds it is to run again; -1: after `wake()`.
    init(_ name: String, _ body: @escaping @Sendable () -> Int32) throws(Errno) {
        poller = try Poller()
        wakeup = try Wakeup()
        try poller.add(wakeup.raw, tag: 0)
        let thread = try NamedThread(name) { [self] in run(body) }
        self.thread.withLock { $0 = thread }
    }

    func wake() { wakeup.signal() }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func run(_ body: () -> Int32) {
        while !isStopped.load(ordering: .acquiring) {
            let timeout = stint.run(body)
            do {
                if try !poller.wait(timeoutMilliseconds: timeout).isEmpty { wakeup.clear() }
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
        }
    }
}
