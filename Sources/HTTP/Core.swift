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
    let log: MHDLog
    let requestIDs = RequestIDs()
    /// libmicrohttpd 0.9 lets through what 1.0 refuses; see `HeaderLayout`.
    let checksHeaderLayout: Bool
    private let workers: WorkerPool
    private let loadWorkers: WorkerPool
    private let stopping = Atomic<Bool>(false)
    private let active = Atomic<Int>(0)
    private let drained = Monitor(())
    private let suspensions = Mutex(Suspensions())

    init(
        _ application: any Application, _ limits: ServerLimits,
        log: @escaping @Sendable (String) -> Void
    ) throws(Errno) {
        self.application = application
        self.limits = limits
        self.log = MHDLog(log)
        checksHeaderLayout = unsafe String(cString: MHD_get_version()).hasPrefix("0.")
        watch = try Watch(
            Watch.Deadlines(
                headSeconds: UInt64(limits.headerSeconds),
                bodySeconds: UInt64(limits.bodySeconds),
                idleSeconds: UInt64(limits.idleSeconds + limits.headerSeconds),
                stallSeconds: UInt64(limits.writeStallSeconds)))
        do {
            workers = try WorkerPool(
                "http-worker", threads: limits.workers, queueLimit: limits.queuedRequests)
        } catch {
            watch.stop()
            throw error
        }
        do {
            loadWorkers = try WorkerPool(
                "http-load", threads: limits.loadWorkers, queueLimit: limits.queuedRequests)
        } catch {
            _ = workers.close(deadline: 0)
            watch.stop()
            throw error
        }
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    func submit(_ job: @escaping @Sendable () -> Void, to place: Admission.Plan.Place) -> Bool {
        place == .load ? loadWorkers.submit(job) : workers.submit(job)
    }

    // MARK: Requests

    func requestBegan() { active.wrappingAdd(1, ordering: .sequentiallyConsistent) }

    func requestEnded() {
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

    func makeSuspension(_ connection: OpaquePointer) -> Suspension {
        suspensions.withLock { all in
            let suspension = unsafe Suspension(connection, isEnding: all.isEnding)
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
        workers.dropQueue()
        loadWorkers.dropQueue()
        _ = workers.close(deadline: deadline)
        _ = loadWorkers.close(deadline: deadline)
        watch.stop()
    }
}
