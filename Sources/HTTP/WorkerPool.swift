internal import Linux

/// Threads for what may block: a bounded queue, first come first served.
final class WorkerPool: Sendable {
    private struct State {
        // A ring would save nothing here: the queue is short, the work is not.
        var queue: [@Sendable () -> Void] = []
        var isClosed = false
        var running = 0
        /// Threads that wait for a job; the queue's first have been given to them in a moment.
        var idle = 0
    }

    let name: String
    private let queueLimit: Int
    private let monitor: Monitor<State>
    /// Of the threads.
    private let stints: [Stint]

    /// - Parameters:
    ///   - name: of the threads, which get a number.
    ///   - threads: a pool without any takes nothing.
    /// - Throws: `EAGAIN` at the limit of threads.
    init(_ name: String, threads: Int, queueLimit: Int) throws(Errno) {
        self.name = name
        self.queueLimit = queueLimit
        let monitor = Monitor(State())
        self.monitor = monitor
        stints = (0..<threads).map { _ in Stint() }
        for (index, stint) in stints.enumerated() {
            monitor.change { $0.running += 1 }
            do {
                _ = try NamedThread("\(name)-\(index + 1)") { Self.work(monitor, stint) }
            } catch {
                monitor.changeForAll { state in
                    state.running -= 1
                    state.isClosed = true
                }
                throw error
            }
        }
    }

    /// False where the queue is full, or the pool closed.
    /// - Parameter ifIdle: also false where no thread would begin at once.
    func submit(ifIdle: Bool = false, _ job: @escaping @Sendable () -> Void) -> Bool {
        monitor.change { state in
            guard state.queue.count < queueLimit && !state.isClosed && state.running > 0
            else { return false }
            guard !ifIdle || state.idle > state.queue.count else { return false }
            state.queue.append(job)
            return true
        }
    }

    /// Takes nothing more; what is queued is still done. Waits for the threads until the
    /// deadline; one that runs on then ends after its job.
    /// - Returns: whether all have ended.
    func close(deadline: UInt64) -> Bool {
        monitor.changeForAll { $0.isClosed = true }
        return monitor.wait(until: deadline) { $0.running == 0 ? true : nil } ?? false
    }

    /// Drops what no thread has begun.
    func dropQueue() { monitor.change { $0.queue.removeAll() } }

    /// When the job, or the step of it, that takes longest was begun; `nil` where none runs.
    var oldestJob: UInt64? { stints.compactMap(\.beganNanoseconds).min() }

    private static func work(_ monitor: Monitor<State>, _ stint: Stint) {
        while true {
            var isCounted = false
            let job = monitor.wait(until: nil) { state -> (@Sendable () -> Void)?? in
                if !isCounted { state.idle += 1 }
                isCounted = true
                if !state.queue.isEmpty {
                    state.idle -= 1
                    return .some(state.queue.removeFirst())
                }
                return state.isClosed ? .some(nil) : nil
            }
            guard let job = job ?? nil else { break }
            stint.run(job)
        }
        monitor.changeForAll { $0.running -= 1 }
    }
}
