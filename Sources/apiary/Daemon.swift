internal import API
internal import ArgumentParser
internal import ControlPlane
internal import Events
internal import Foundation
internal import HTTP
internal import Linux
internal import Loading
internal import Logging
internal import Problems
internal import Registry

/// Puts the rooms together, and takes them apart again when a signal says so.
struct Daemon {
    let configuration: Configuration
    let options: ServeOptions
    let log = Logger(label: "apiary")

    init(_ configuration: Configuration, _ options: ServeOptions) {
        self.configuration = configuration
        self.options = options
    }

    func run() throws {
        Heap.settle()
        Signal.takeOver()
        let descriptors = ProcessLimits.raise()
        let supervisor = Supervisor(environment: ProcessInfo.processInfo.environment)
        for name in configuration.unknownVariables { log.warning("\(name) is not a setting") }
        try configuration.tlsIdentity?.activate()
        let rules = try configuration.accessRules
        let fileTokens = try configuration.fileTokens
        var locks = try prepareDirectories()
        try prepareMounts()
        locks.append(
            try lock(configuration.text("bpffs"), FileLock.init(directory:)))
        let spare = try SpareLoader(
            executable: configuration.text("loader"), limits: configuration.loaderLimits)
        let node = try makeNode(spare)
        if configuration.flag("run_stats") {
            do { try node.holdRunStatistics() } catch {
                log.warning("run_stats: \(error.detail)")
            }
        }
        let statistics = ServerStatistics()
        node.tokens.replaceFixed(fileTokens)
        let folder = try manifestFolder(node)
        let service = Service(
            node: node, version: apiaryVersion, rules: rules,
            streamsPerCredential: configuration.integer("streams_per_credential"),
            ownUserID: ProcessLimits.userID,
            manifestObjectsDirectory: configuration.optionalText("manifest_objects_dir"),
            manifests: folder, statistics: statistics, log: log)
        var limits = configuration.serverLimits
        // Half of the descriptors are for maps, links and rings.
        limits.connections = min(limits.connections, max(64, descriptors / 2))
        let server = try Server(
            try listeners(supervisor), limits: limits, application: service, statistics: statistics,
            log: { [log] in log.warning("\($0)") })
        if FileSystem.exists(configuration.text("socket")) { try grantSocket() }
        log.notice(
            "listening",
            metadata: ["socket": "\(configuration.text("socket"))", "version": "\(apiaryVersion)"])
        do { try node.reconcile() } catch {
            log.critical("the registry and the kernel cannot be brought together: \(error.detail)")
            throw ExitCode(1)
        }
        log.notice("ready")
        spare.replenish()
        try start(folder)
        supervisor.notify("READY=1\nSTATUS=Serving")
        wait(server, service, supervisor)
        supervisor.notify("STOPPING=1")
        folder?.stop()
        node.stop()
        server.stop(deadlineMilliseconds: 2500)
        node.close()
        spare.stop()
        if node.isToDetach || configuration.flag("detach_on_stop") {
            node.detachEverything()
            log.notice("stopped; nothing is left in the kernel")
        } else {
            log.notice("stopped; probes stay attached")
        }
        _ = locks
    }

    private func nodeConfiguration(_ spare: SpareLoader) throws -> NodeConfiguration {
        var node = NodeConfiguration(
            stateDirectory: configuration.text("state_dir"),
            journalDirectory: configuration.text("journal_dir"),
            bpffsDirectory: configuration.text("bpffs"),
            loader: Loader(
                executable: configuration.text("loader"), limits: configuration.loaderLimits,
                spare: spare),
            auditRows: configuration.integer("audit_rows"))
        node.journalLimits.bytesPerStream = configuration.integer("journal_stream_bytes")
        node.journalLimits.bytesInAll = configuration.integer("journal_bytes")
        node.journalLimits.ageSeconds = configuration.integer("journal_age_s")
        node.snapshotIntervalSeconds = configuration.integer("snapshot_interval_s")
        node.pace.batchRecords = configuration.integer("batch_records")
        node.pace.batchNanoseconds = UInt64(configuration.integer("batch_deadline_us")) * 1000
        node.quotas = configuration.quotas
        node.policy = try configuration.objectPolicy
        return node
    }

    /// The sockets that the supervisor made in place of our own.
    private func listeners(_ supervisor: Supervisor) throws -> [Listener] {
        let configured = try configuration.listeners
        guard !supervisor.sockets.isEmpty else { return configured }
        let others = configured.filter { if case .unix = $0 { false } else { true } }
        return supervisor.sockets.map { .inherited($0) } + others
    }

    private func manifestFolder(_ node: Node) throws -> ManifestFolder? {
        guard let directory = try configuration.manifestsDirectory else { return nil }
        return try ManifestFolder(
            directory, node: node,
            objectsDirectory: configuration.optionalText("manifest_objects_dir"),
            ownUserID: ProcessLimits.userID, log: log)
    }

    private func start(_ folder: ManifestFolder?) throws {
        do { try folder?.start() } catch {
            throw CommandRefusal(
                "\(configuration.text("manifests_dir")) cannot be watched: \(error).")
        }
    }

    /// - Returns: the locks that keep a second daemon out, to be held until the end.
    private func prepareDirectories() throws -> [FileLock] {
        do {
            try FileSystem.makeDirectories(configuration.text("runtime_dir"), mode: 0o750)
            try FileSystem.makeDirectories(configuration.text("state_dir"), mode: 0o700)
        } catch {
            throw CommandRefusal("Cannot make the runtime or the state directory: \(error).")
        }
        return [
            try lock(configuration.text("runtime_dir")) { path throws(Errno) in
                try FileLock(path + "/lock")
            },
            try lock(configuration.text("state_dir")) { path throws(Errno) in
                try FileLock(path + "/lock")
            },
        ]
    }

    private func makeNode(_ spare: SpareLoader) throws -> Node {
        do {
            return try Node(nodeConfiguration(spare), log: log)
        } catch let error as RegistryError {
            let path = configuration.text("state_dir") + "/registry.sqlite"
            let advice =
                switch error.kind {
                case .corrupt:
                    "It is left as it is, and probes stay attached. Restore it from a backup, or "
                        + "move it away to start with nothing registered."
                case .newer: "It is left as it is."
                case .full: "Make room on that disk: a start needs some."
                case .readOnly: "The daemon must be able to write there."
                case .io, .older, .busy, .exhausted, .other: "Nothing was changed."
                }
            throw CommandRefusal("\(path) cannot be used: \(error.reason). \(advice)")
        } catch let error as Errno {
            let (state, journal) = (
                configuration.text("state_dir"), configuration.text("journal_dir")
            )
            throw CommandRefusal("\(state) or \(journal) cannot be used: \(error).")
        }
    }

    /// A daemon that was killed holds its locks until the kernel has cleaned up after it, so the
    /// next one waits a little before it takes it for alive.
    private func lock(_ directory: String, _ take: (String) throws(Errno) -> FileLock) throws
        -> FileLock
    {
        let end = Clock.monotonicNanoseconds() + 2_000_000_000
        while true {
            do throws(Errno) {
                return try take(directory)
            } catch {
                guard error == .eagain else {
                    throw CommandRefusal("Cannot lock \(directory): \(error).")
                }
                guard Clock.monotonicNanoseconds() < end else {
                    throw CommandRefusal("Another apiary runs in \(directory).")
                }
                Clock.sleep(nanoseconds: 20_000_000)
            }
        }
    }

    /// tracefs for tracepoints, and a bpffs for our pins: mounted where missing, and said so.
    private func prepareMounts() throws {
        do {
            if !FileSystem.exists("/sys/kernel/tracing/events"),
                !FileSystem.exists("/sys/kernel/debug/tracing/events")
            {
                try FileSystem.mount("tracefs", at: "/sys/kernel/tracing")
                log.notice("mounted tracefs on /sys/kernel/tracing")
            }
        } catch {
            log.warning(
                "tracefs is not mounted and cannot be: tracepoints will be refused: \(error)")
        }
        do {
            if let place = try BPFFileSystem.ensure(configuration.text("bpffs")) {
                log.notice("mounted a bpffs on \(place)")
            }
            if try FileSystem.isReadOnly(configuration.text("bpffs")) { throw Errno.erofs }
        } catch {
            throw CommandRefusal(
                "\(configuration.text("bpffs")) is in no bpffs and none can be mounted there: "
                    + "\(error)."
            )
        }
    }
}
