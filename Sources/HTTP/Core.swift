internal import CMicrohttpd
internal import Linux
internal import Synchronization

/// What all connections of a server share. Outlives its daemons: their callbacks get it.
final class Core: Sendable {
    private struct Suspensions {
        var open: [ObjectIdentifier: Suspension] = [:]
        var isEnding = false
    }

    let application: any Application
    let limits: ServerLimits
    let watch: Watch
    let statistics: ServerStatistics
    let log: MHDLog
    let requestIDs = RequestIDs()
    private let unixActivity = Activity()
    private let tcpActivity = Activity()
    private let unixTurns = StreamTurns()
    private let tcpTurns = StreamTurns()
    /// libmicrohttpd 0.9 lets through what 1.0 refuses; see `HeaderLayout`.
    let checksHeaderLayout: Bool
    private let workers: WorkerPool
    private let loadWorkers: WorkerPool
    private let reservedWorkers: WorkerPool
    private let reservedLoadWorkers: WorkerPool
    private let stopping = Atomic<Bool>(false)
    private let active = Atomic<Int>(0)
    private let drained = Monitor(())
    private let suspensions = Mutex(Suspensions())

    init(
        _ application: any Application, _ limits: ServerLimits, _ statistics: ServerStatistics,
        log: @escaping @Sendable (String) -> Void
    ) throws(Errno) {
        self.application = application
        self.limits = limits
        self.statistics = statistics
        self.log = MHDLog(log)
        checksHeaderLayout = unsafe String(cString: MHD_get_version()).hasPrefix("0.")
        watch = try Watch(
            Watch.Deadlines(
                headSeconds: UInt64(limits.headerSeconds),
                bodySeconds: UInt64(limits.bodySeconds),
                idleSeconds: UInt64(limits.idleSeconds + limits.headerSeconds),
                stallSeconds: UInt64(limits.writeStallSeconds)), statistics)
        let pools: [WorkerPool]
        do { pools = try Self.makePools(limits) } catch {
            watch.stop()
            throw error
        }
        workers = pools[0]
        loadWorkers = pools[1]
        reservedWorkers = pools[2]
        reservedLoadWorkers = pools[3]
    }

    private static func makePools(_ limits: ServerLimits) throws(Errno) -> [WorkerPool] {
        var pools: [WorkerPool] = []
        do {
            for (name, threads) in [
                ("http-worker", limits.workers), ("http-load", limits.loadWorkers),
                ("http-spare", limits.reservedWorkers), ("http-spload", limits.reservedWorkers),
            ] {
                pools.append(
                    try WorkerPool(name, threads: threads, queueLimit: limits.queuedRequests))
            }
        } catch {
            for pool in pools { _ = pool.close(deadline: 0) }
            throw error
        }
        return pools
    }

    private var pools: [WorkerPool] {
        [workers, loadWorkers, reservedWorkers, reservedLoadWorkers]
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    /// False where every queue that may take it is full.
    /// - Parameter isLocal: from the Unix socket: the reserve is for it.
    func submit(
        _ job: @escaping @Sendable () -> Void, to place: Admission.Plan.Place, isLocal: Bool
    ) -> Bool {
        let pool = place == .load ? loadWorkers : workers
        guard isLocal else { return pool.submit(job) }
        let reserve = place == .load ? reservedLoadWorkers : reservedWorkers
        return pool.submit(ifIdle: true, job) || reserve.submit(ifIdle: true, job)
            || pool.submit(job) || reserve.submit(job)
    }

    /// What does not get on: handlers that run for longer, and the thread of the deadlines.
    func stalled(afterSeconds limit: UInt64) -> [String] {
        var stalled: [String] = []
        let now = Clock.monotonicNanoseconds()
        for pool in pools {
            guard let began = pool.oldestJob, now > began + limit * 1_000_000_000 else { continue }
            stalled.append("\(pool.name) runs a handler for over \(limit) s")
        }
        if watch.isLate() { stalled.append("http-watch does not wake up") }
        return stalled
    }

    func activity(of peer: Peer) -> Activity { peer.isLocal ? unixActivity : tcpActivity }

    func turns(of peer: Peer) -> StreamTurns { peer.isLocal ? unixTurns : tcpTurns }

    func activity(ofUnix isUnix: Bool) -> Activity { isUnix ? unixActivity : tcpActivity }

    // MARK: Requests

    func requestBegan() {
        statistics.requestBegan()
        active.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }

    func requestEnded() {
        statistics.requestEnded()
        let left = active.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
        if left == 0 && stopping.load(ordering: .sequentiallyConsistent) {
            drained.changeForAll { _ in }
        }
    }

    /// From now on new requests are refused.
    func beginStopping() { stopping.store(true, ordering: .sequentiallyConsistent) }

    /// Waits until no request is running.
    func waitUntilIdle(deadline: UInt64) {
        _ = drained.wait(until: deadline) { _ in
            active.load(ordering: .sequentiallyConsistent) == 0 ? true : nil
        }
    }

    // MARK: Suspended connections

    /// - Parameter turns: by which a stream is resumed.
    func makeSuspension(_ connection: OpaquePointer, _ turns: StreamTurns? = nil) -> Suspension {
        suspensions.withLock { all in
            let suspension = unsafe Suspension(connection, isEnding: all.isEnding, turns)
            all.open[ObjectIdentifier(suspension)] = suspension
            return suspension
        }
    }

    func close(_ suspension: Suspension) {
        suspension.close()
        suspensions.withLock { _ = $0.open.removeValue(forKey: ObjectIdentifier(suspension)) }
    }

    /// Resumes all that are suspended; none is suspended any more.
    func endSuspensions() {
        let open = suspensions.withLock { all in
            all.isEnding = true
            return Array(all.open.values)
        }
        for suspension in open { suspension.end() }
    }

    /// After the daemons are stopped.
    func close(deadline: UInt64) {
        for pool in pools { pool.dropQueue() }
        for pool in pools { _ = pool.close(deadline: deadline) }
        watch.stop()
    }
}
