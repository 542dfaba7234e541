internal import API
internal import ArgumentParser
internal import ControlPlane
internal import Foundation
internal import HTTP
internal import Linux
internal import Loading
internal import Logging
internal import Problems

/// Puts the rooms together, and takes them apart again when a signal says so.
struct Daemon {
    let configuration: Configuration
    let log = Logger(label: "apiary")

    init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    func run() throws {
        Signal.takeOver()
        let descriptors = ProcessLimits.raise()
        let manager = ServiceManager(environment: ProcessInfo.processInfo.environment)
        for name in configuration.unknownVariables { log.warning("\(name) is not a setting") }
        let locks = try prepareDirectories()
        try prepareMounts()
        let node = try Node(
            NodeConfiguration(
                stateDirectory: configuration.text("state_dir"),
                journalDirectory: configuration.text("journal_dir"),
                bpffsDirectory: configuration.text("bpffs"),
                loader: configuration.makeLoader()), log: log)
        let statistics = ServerStatistics()
        let service = Service(
            node: node, version: apiaryVersion, isUnprotected: configuration.flag("unprotected"),
            ownUserID: ProcessLimits.userID, statistics: statistics, log: log)
        var limits = configuration.serverLimits
        // Half of the descriptors are for maps, links and rings.
        limits.connections = min(limits.connections, max(64, descriptors / 2))
        let server = try Server(
            localListeners(manager) + configuration.listeners,
            limits: limits, application: service, statistics: statistics,
            log: { [log] in log.warning("\($0)") })
        log.notice(
            "listening",
            metadata: ["socket": "\(configuration.text("socket"))", "version": "\(apiaryVersion)"])
        do { try node.reconcile() } catch {
            log.critical("the registry and the kernel cannot be brought together: \(error.detail)")
            throw ExitCode(1)
        }
        log.notice("ready")
        manager.notify("READY=1\nSTATUS=Serving \(configuration.text("socket"))")
        wait(server, node, manager)
        manager.notify("STOPPING=1")
        node.stop()
        server.stop(deadlineMilliseconds: 4000)
        log.notice("stopped; probes stay attached")
        _ = locks
    }

    /// The sockets that the service manager made, else our own.
    private func localListeners(_ manager: ServiceManager) -> [Listener] {
        guard manager.sockets.isEmpty else { return manager.sockets.map { .inherited($0) } }
        return [.unix(path: configuration.text("socket"), mode: 0o660)]
    }

    /// - Returns: the locks that keep a second daemon out, to be held until the end.
    private func prepareDirectories() throws -> [FileLock] {
        do {
            try FileSystem.makeDirectories(configuration.text("runtime_dir"), mode: 0o750)
            try FileSystem.makeDirectories(configuration.text("state_dir"), mode: 0o700)
        } catch {
            throw ValidationError("Cannot make the runtime or the state directory: \(error).")
        }
        return [
            try lock(configuration.text("runtime_dir")), try lock(configuration.text("state_dir")),
        ]
    }

    private func lock(_ directory: String) throws -> FileLock {
        do throws(Errno) {
            return try FileLock(directory + "/lock")
        } catch {
            throw ValidationError(
                error == .eagain
                    ? "Another apiary runs in \(directory)." : "Cannot lock \(directory): \(error)."
            )
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
            let directory = configuration.text("bpffs")
            if try !isInBPF(directory) {
                let place = directory.hasPrefix("/sys/fs/bpf/") ? "/sys/fs/bpf" : directory
                if place == directory { try FileSystem.makeDirectories(directory) }
                try FileSystem.mount("bpf", at: place)
                log.notice("mounted a bpffs on \(place)")
            }
            try FileSystem.makeDirectories(directory, mode: 0o700)
        } catch {
            throw ValidationError(
                "\(configuration.text("bpffs")) is in no bpffs and none can be mounted there: "
                    + "\(error)."
            )
        }
    }

    private func isInBPF(_ directory: String) throws(Errno) -> Bool {
        var path = directory
        while !FileSystem.exists(path) { path = FileSystem.parent(of: path) }
        if case .bpf = try FileSystem.volume(path) { return true }
        return false
    }
}
