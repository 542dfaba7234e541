internal import Linux
internal import Problems
public import Registry

extension Node {
    /// Asks the daemon to stop, as SIGTERM does.
    /// - Parameter isDetaching: nothing of it is to be left in the kernel.
    public func orderStop(isDetaching: Bool, _ origin: ChangeOrigin) {
        if isDetaching { isDetachOrdered.store(true, ordering: .releasing) }
        do {
            try registry.note(origin, subject: isDetaching ? "daemon/detach" : "daemon")
        } catch {
            log.error("the audit log took no row", metadata: ["reason": "\(error.reason)"])
        }
        Signal.terminate.send()
    }

    /// Whether `POST /v1/shutdown?detach=true` was asked for.
    public var isToDetach: Bool { isDetachOrdered.load(ordering: .acquiring) }

    /// Takes everything out of the kernel; what is registered stays, and the next start loads and
    /// attaches it again. After `stop()`, when nobody asks for changes any more.
    public func detachEverything() {
        let (programs, probes) = state.withLock { state in
            (Array(state.programs.values), Array(state.probes.values))
        }
        // Rows of another boot are what they are from now on: to be loaded again.
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "detached_at_stop")
        do {
            _ = try commit(origin, subject: "daemon", isRemoval: true) { transaction in
                for record in programs where record.loaded != nil {
                    var row = record.row
                    row.bootID = Self.detachedBoot
                    row.kernelIDs = ""
                    try transaction.put(row)
                }
                for record in probes where record.attachment != nil {
                    var row = record.row
                    row.bootID = Self.detachedBoot
                    row.linkIDs = []
                    try transaction.put(row)
                }
            }
        } catch {
            log.error(
                "the next start has to find out that nothing is attached",
                metadata: ["why": "\(error.detail)"])
        }
        for failure in detachAll(probes.compactMap(\.attachment)) {
            log.error("a link stays", metadata: ["errno": "\(failure)"])
        }
        for record in programs {
            guard let loaded = record.loaded else { continue }
            removeLoad(record.row.loadID, known: PinnedIDs(loaded))
        }
        state.withLock { state in
            state.programs = [:]
            state.probes = [:]
        }
    }

    /// Stands for `boot_id` in rows whose kernel side was taken away at a stop.
    static var detachedBoot: String { "detached" }
}
