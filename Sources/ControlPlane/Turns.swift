internal import Linux
internal import Synchronization

/// Calls what wants to go on, from a thread of its own, so that an HTTP thread serves others
/// between two pieces of something long, or while the kernel is asked.
/// The thread starts with the first call and sleeps while there is none.
final class Turns: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var thread: NamedThread?
        var isStopping = false
    }

    private let name: String
    private let state = Mutex(State())
    private let signal = Semaphore()
    let stint = Stint()

    /// - Parameter name: of the thread.
    init(_ name: String) { self.name = name }

    func later(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.waiting.append(wake)
            guard state.thread == nil, !state.isStopping else { return }
            // Without a thread nobody would ever be called: then it is done here.
            do { state.thread = try NamedThread(name) { [self] in run() } } catch {}
        }
        signal.signal()
        if state.withLock({ $0.thread == nil }) {
            for wake in taken() { wake() }
        }
    }

    func stop() {
        let thread = state.withLock { state in
            state.isStopping = true
            return state.thread
        }
        signal.signal()
        thread?.join()
    }

    private func run() {
        while !state.withLock({ $0.isStopping }) {
            signal.wait()
            for wake in taken() { stint.run(wake) }
        }
    }

    private func taken() -> [@Sendable () -> Void] {
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}

extension Node {
    /// Calls `wake` soon, from another thread.
    public func later(_ wake: @escaping @Sendable () -> Void) { turns.later(wake) }
}
