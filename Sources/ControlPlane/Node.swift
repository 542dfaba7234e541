public import Events
public import Loading
public import Logging
internal import BPF
internal import Linux
internal import Problems
internal import Registry
internal import Synchronization

/// Where a daemon keeps its things and what bounds it has.
public struct NodeConfiguration: Sendable {
    /// Registry and kept objects; survives a reboot.
    public var stateDirectory: String
    /// Journal of the events; by default in memory.
    public var journalDirectory: String
    /// Our own directory in a bpffs: pins, and nothing else's.
    public var bpffsDirectory: String
    public var loader: Loader
    public var journalLimits: JournalLimits
    public var pace = Pace()
    /// How often the contents of persistent maps are written to the disk; 0: at the stop alone.
    public var snapshotIntervalSeconds = 60
    /// The audit log keeps at least so many.
    public var auditRows: Int
    public var quotas = Quotas()
    public var policy = ObjectPolicy()

    public init(
        stateDirectory: String, journalDirectory: String, bpffsDirectory: String, loader: Loader,
        journalLimits: JournalLimits = JournalLimits(), auditRows: Int = 100_000
    ) {
        self.stateDirectory = stateDirectory
        self.journalDirectory = journalDirectory
        self.bpffsDirectory = bpffsDirectory
        self.loader = loader
        self.journalLimits = journalLimits
        self.auditRows = auditRows
    }
}

/// What should be on this node and what is: the programs, probes and maps of one daemon.
///
/// Reads come from memory and never wait for a change. A change runs on the caller's thread, which
/// may block for seconds (verifier, fsync, RCU), and one at a time for each program.
public final class Node: Sendable {
    struct State {
        var programs: [String: ProgramRecord] = [:]
        var probes: [String: ProbeRecord] = [:]
        var owners = Owners()
        var revision: Int64 = 0
        var isReady = false
        var abilities: HostAbilities?
    }

    let configuration: NodeConfiguration
    let registry: RegistryStore
    let bootID: String
    let log: Logger
    let state = Mutex(State())
    let locks = NameLocks()
    let entryLocks = EntryLocks()
    let reserve: Reserve
    let isDetachOrdered = Atomic<Bool>(false)
    let lookout = Mutex<Lookout?>(nil)
    let snapshotTimer = Mutex<Timer?>(nil)
    /// Of each persistent map's last snapshot.
    let snapshotSums = Mutex<[String: (file: String, sum: [UInt8])]>([:])
    let lookoutMemory = Mutex(LookoutMemory())
    let turns = Turns("turns")
    let mapCalls = Turns("map-calls")
    /// Perf events of probes that are detached.
    let closing = Turns("perf-close")
    /// Of run statistics, running now.
    let measurements = Mutex(0)
    let loadRate: LoadRate
    let quotaTurns = QuotaTurns()
    let objectHolds = ObjectHolds()
    let followers: MapFollowers
    let traceTurn = Mutex(())
    /// The journal and the readers of events.
    public let events: EventStreams
    public let tokens: Tokens
    /// Notes for the audit log that may not wait for the disk.
    public let attempts: AttemptLog

    /// Opens the registry and the journal. Nothing of the kernel is touched before `reconcile()`.
    /// - Throws: `RegistryError`, `JournalError` or `Errno`, for the person who starts the daemon.
    public init(_ configuration: NodeConfiguration, log: Logger) throws {
        self.configuration = configuration
        self.log = log
        loadRate = LoadRate(perMinute: configuration.quotas.loadsPerMinute)
        bootID = try Clock.bootID()
        try FileSystem.makeDirectories(configuration.stateDirectory + "/objects", mode: 0o700)
        try FileSystem.makeDirectories(configuration.journalDirectory, mode: 0o700)
        reserve = Reserve(in: configuration.stateDirectory)
        registry = try RegistryStore(
            path: configuration.stateDirectory + "/registry.sqlite",
            auditLimit: configuration.auditRows, audited: { Self.log($0, log) })
        followers = try MapFollowers()
        events = try EventStreams(
            directory: configuration.journalDirectory, limits: configuration.journalLimits,
            pace: configuration.pace, resolver: HostNames())
        events.resumeTracePipe(instance: events.traceInstance)
        let tokens = try Tokens(registry)
        self.tokens = tokens
        attempts = try AttemptLog { [registry] batch in
            do throws(RegistryError) { try registry.audit(batch) } catch {
                log.error("the audit log took no row", metadata: ["reason": "\(error.reason)"])
            }
        } tick: {
            do throws(RegistryError) { try tokens.noteUses() } catch {
                log.warning("uses of tokens are not noted", metadata: ["reason": "\(error.reason)"])
            }
        }
    }

    /// Each row of the audit log is a line of the log too, so that a copy lies elsewhere.
    private static func log(_ row: AuditRow, _ log: Logger) {
        log.info(
            "audit",
            metadata: [
                "sequence": "\(row.sequence)", "request_id": "\(row.requestID)",
                "actor": "\(row.actor)", "peer": "\(row.peer)", "action": "\(row.action)",
                "subject": "\(row.subject)", "outcome": "\(row.outcome)",
                "digest": "\(row.digest ?? "-")", "hash": "\(row.hash)",
            ])
    }

    /// Threads that have been at one thing for longer, by name: for a watchdog.
    public func stalled(afterSeconds limit: UInt64) -> [String] {
        let stints = [
            ("audit", attempts.stint), ("lookout", lookout.withLock { $0?.stint }),
            ("followers", followers.stint), ("turns", turns.stint), ("map-calls", mapCalls.stint),
            ("perf-close", closing.stint),
            ("snapshots", snapshotTimer.withLock { $0?.stint }),
            ("spare-loader", configuration.loader.spare?.stint),
        ]
        return stints.filter { $0.1?.isLonger(thanSeconds: limit) == true }
            .map { "\($0.0) has been at one thing for over \(limit) s" }
    }

    /// The number of the last change.
    public var revision: Int64 { max(state.withLock { $0.revision }, tokens.revision) }

    /// Which objects may be loaded.
    public var policy: ObjectPolicy { configuration.policy }

    /// False until the first reconciliation is over.
    public var isReady: Bool { state.withLock { $0.isReady } }

    /// Ends the streams. Probes stay attached: their pins are the kernel's. Requests that run go
    /// on; `close` must follow when they are over.
    public func stop() {
        let watching = lookout.withLock { lookout in
            defer { lookout = nil }
            return lookout
        }
        watching?.stop()
        let timer = snapshotTimer.withLock { timer in
            defer { timer = nil }
            return timer
        }
        timer?.stop()
        takeSnapshots(deadline: Clock.monotonicNanoseconds() + 1_500_000_000)
        events.stop()
        events.removeTraceInstance(events.traceInstance)
        followers.stop()
    }

    /// Ends the threads that running requests need. What these still had to note is written.
    public func close() {
        attempts.stop()
        turns.stop()
        mapCalls.stop()
    }

    /// - Parameter isRemoval: makes room in the end: it may use the reserve where the disk is full.
    func commit(
        _ origin: ChangeOrigin, subject: String, isRemoval: Bool = false,
        _ body: (Transaction) throws -> Void
    ) throws(Problem) -> Int64 {
        // Room that came back goes to the reserve first.
        if !reserve.take(), !isRemoval {
            throw Problem(
                .noSpace,
                "The disk of \(configuration.stateDirectory) is full: nothing but detaching and "
                    + "deleting is possible until there is room.")
        }
        do {
            let revision = try changed(origin, subject: subject, isRemoval: isRemoval, body)
            state.withLock { $0.revision = max($0.revision, revision) }
            lookout.withLock { $0 }?.wake()
            return revision
        } catch {
            throw Problem(error, while: "record the change")
        }
    }

    private func changed(
        _ origin: ChangeOrigin, subject: String, isRemoval: Bool,
        _ body: (Transaction) throws -> Void
    ) throws(RegistryError) -> Int64 {
        do {
            return try registry.change(origin, subject: subject, body)
        } catch {
            guard error.kind == .full, isRemoval else { throw error }
            log.warning("the disk is full: a removal uses the reserve")
            reserve.giveUp()
            return try registry.change(origin, subject: subject, body)
        }
    }

    func intend(_ names: [String], _ kind: IntentRow.Kind, subject: String) throws(Problem) {
        let now = Clock.realtimeNanoseconds()
        let rows = names.map {
            IntentRow(
                name: $0, kind: kind, subject: subject, bootID: bootID, startedAtNanoseconds: now)
        }
        do { try registry.intend(rows) } catch {
            throw Problem(error, while: "record the change's intent")
        }
    }

    /// Notes in the log what cannot be told to a client any more.
    func forget(_ names: [String]) {
        do { try registry.forget(intents: names) } catch {
            log.error(
                "an intent stays until the next start", metadata: ["reason": "\(error.reason)"])
        }
    }

    func noteRefusal(_ problem: Problem, _ origin: ChangeOrigin, subject: String) {
        do { try registry.auditRefusal(origin, subject: subject, code: problem.type.code) } catch {
            log.error("the audit log took no row", metadata: ["reason": "\(error.reason)"])
        }
    }
}

/// A registered program, and its kernel side unless it is `failed`.
struct ProgramRecord: Sendable {
    var row: ProgramRow
    var loaded: LoadedProgram?
}

/// A registered probe, and its kernel side while it is attached.
struct ProbeRecord: Sendable {
    var row: ProbeRow
    var attach: AttachDocument
    var attachment: Attachment?
}
