internal import Linux
internal import Synchronization

/// Threads for what may block, and a bounded queue before them.
final class WorkerPool: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var jobs: [Job] = []
        var head = 0
        var isStopping = false
    }

    private let state = Mutex(State())
    private let waiting = Semaphore()
    private let limit: Int
    private let threads = Mutex<[NamedThread]>([])

    /// - Throws: `EAGAIN` at the limit of threads.
    init(_ name: String, threads count: Int, queued limit: Int) throws(Errno) {
        self.limit = limit
        for index in 0..<count {
            // Half a megabyte is the default; the registry and the control plane go deeper in debug
            // builds.
            let thread = try NamedThread("\(name)-\(index)", stackBytes: 2 << 20) { [self] in run()
            }
            threads.withLock { $0.append(thread) }
        }
    }

    /// False where the queue is full or the pool stops.
    func submit(_ job: @escaping Job) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isStopping, state.jobs.count - state.head < limit else { return false }
            state.jobs.append(job)
            return true
        }
        if isTaken { waiting.signal() }
        return isTaken
    }

    /// Runs what is queued, then ends the threads. Blocks.
    func stop() {
        state.withLock { $0.isStopping = true }
        let all = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for _ in all { waiting.signal() }
        for thread in all { thread.join() }
    }

    private func run() {
        while true {
            waiting.wait()
            let job: Job? = state.withLock { state in
                guard state.head < state.jobs.count else { return nil }
                let job = state.jobs[state.head]
                state.head += 1
                if state.head == state.jobs.count {
                    state.jobs.removeAll(keepingCapacity: true)
                    state.head = 0
                }
                return job
            }
            guard let job else { return }
            job()
        }
    }
}
