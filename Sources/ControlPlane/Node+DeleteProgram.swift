internal import BPF
internal import Events
internal import Linux
public import Problems
public import Registry

/// What went with a program.
public struct RemovedProgram: Sendable, Hashable {
    public var name: String
    public var functions: [String]
    public var maps: [String]
    public var probes: [String]
}

extension Node {
    /// Detaches a program's probes, unloads it and removes its maps. Its journal stays until its
    /// retention ends, unless it is purged too. Returns once the kernel has let go of its functions
    /// and maps.
    /// - Returns: nil where there is no such program and `missingIsFine`.
    public func deleteProgram(
        _ name: String, _ conditions: Conditions, missingIsFine: Bool, purges: Bool = false,
        isDryRun: Bool, _ origin: ChangeOrigin
    ) throws(Problem) -> RemovedProgram? {
        var held = HeldIDs()
        defer { wait(until: held, of: name) }
        return try locks.withLock([name]) { () throws(Problem) in
            guard let record = state.withLock({ $0.programs[name] }) else {
                // What an earlier delete has left behind.
                let hasJournal = purges && !events.keys(of: name).isEmpty
                if hasJournal, !isDryRun { purge(name) }
                if missingIsFine || hasJournal { return nil }
                try conditions.check(nil, of: "Program \(name)")
                throw Problem(.notFound, "There is no program \(name).")
            }
            try conditions.check(record.row.revision, of: "Program \(name)")
            let probes = probeRecords(of: name)
            let removed = RemovedProgram(
                name: name, functions: record.loaded?.report.functions.map(\.name) ?? [],
                maps: record.loaded?.report.maps.map(\.name) ?? [], probes: probes.map(\.row.id))
            if !isDryRun {
                try delete(record, probes, origin)
                held = HeldIDs(record.loaded)
                if purges { purge(name) }
            }
            return removed
        }
    }

    private func purge(_ name: String) {
        for key in events.keys(of: name) where key.program == name { events.purge(key) }
    }

    /// The kernel frees functions and maps some milliseconds after their last descriptor is
    /// closed, which is why nothing of the load may be held here. Somebody else may hold them for
    /// ever, by a pin or a descriptor of his own: then it is not the daemon's to wait for.
    private func wait(until held: HeldIDs, of name: String) {
        let deadline = Clock.monotonicNanoseconds() + 2_000_000_000
        while !held.areGone() {
            guard Clock.monotonicNanoseconds() < deadline else {
                log.warning(
                    "somebody else holds what was unloaded", metadata: ["program": "\(name)"])
                return
            }
            Clock.sleep(nanoseconds: 2_000_000)
        }
    }

    private func delete(
        _ record: ProgramRecord, _ probes: [ProbeRecord], _ origin: ChangeOrigin
    ) throws(Problem) {
        let name = record.row.name
        var row = record.row
        row.state = .deleting
        let rows = probes.map { probe in
            var row = probe.row
            row.state = .deleting
            return row
        }
        _ = try commit(origin, subject: "programs/\(name)", isRemoval: true) { transaction in
            try transaction.put(row)
            for row in rows { try transaction.put(row) }
        }
        state.withLock { state in
            state.programs[name] = nil
            state.owners.forget(program: name)
            for row in rows {
                state.probes[row.id] = nil
                state.owners.forget(probe: row.id)
            }
        }
        try finishDelete(row, rows, probes.compactMap(\.attachment))
    }

    /// The second half, which a start after a crash runs again: nothing in it minds being repeated.
    func finishDelete(_ row: ProgramRow, _ probes: [ProbeRow], _ attachments: [Attachment])
        throws(Problem)
    {
        for failure in detachAll(attachments) {
            throw Problem(failure, while: "detach a probe of \(row.name)")
        }
        for probe in probes {
            do { try removePins(probe.pin, links: probe.linkIDs) } catch {
                throw Problem(error, while: "unpin \(probe.id)")
            }
        }
        events.close(program: row.name, reason: .programDeleted)
        removeLoad(row.loadID, known: PinnedIDs(text: row.kernelIDs))
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "unloaded")
        _ = try commit(origin, subject: "programs/\(row.name)", isRemoval: true) { transaction in
            for probe in probes { try transaction.removeProbe(probe.id) }
            try transaction.removeProgram(row.name)
        }
    }

    /// Changes a program's labels, and nothing else.
    public func setLabels(
        ofProgram name: String, _ conditions: Conditions, isDryRun: Bool, _ origin: ChangeOrigin,
        _ change: ([String: String]) -> [String: String]
    ) throws(Problem) -> (program: ProgramView, changed: Bool) {
        try locks.withLock([name]) { () throws(Problem) in
            guard var record = state.withLock({ $0.programs[name] }) else {
                throw Problem(.notFound, "There is no program \(name).")
            }
            try conditions.check(record.row.revision, of: "Program \(name)")
            let labels = change(record.row.labels)
            if record.row.labels == labels { return (view(of: record), false) }
            record.row.labels = labels
            if isDryRun { return (view(of: record), true) }
            let row = record.row
            record.row.revision = try commit(origin, subject: "programs/\(name)") {
                try $0.put(row)
            }
            let committed = record
            state.withLock { $0.programs[name] = committed }
            return (view(of: committed), true)
        }
    }
}

/// The kernel's ids of a load's functions and maps.
private struct HeldIDs {
    private var programs: Set<UInt32> = []
    private var maps: Set<UInt32> = []

    init() {}

    init(_ loaded: LoadedProgram?) {
        programs = Set(loaded?.kernelIDs.values.map(\.self) ?? [])
        maps = Set(loaded?.maps.values.map(\.map.info.id) ?? [])
    }

    /// True too where the kernel does not tell.
    func areGone() -> Bool {
        if programs.isEmpty && maps.isEmpty { return true }
        do {
            return try programs.isDisjoint(with: Inventory.programIDs())
                && maps.isDisjoint(with: Inventory.mapIDs())
        } catch {
            return true
        }
    }
}
