internal import Events
internal import Linux
internal import Loading
public import Problems
internal import Registry

extension Node {
    /// Makes the kernel and the registry agree: undoes what a crash left half done, adopts what an
    /// earlier daemon pinned, loads and attaches again what is missing. Runs once, before
    /// `/v1/ready`.
    public func reconcile() throws(Problem) {
        do {
            let revision = try registry.revision()
            state.withLock { $0.revision = revision }
            try undoIntents()
            try sweepObjects()
            let probes = try registry.probes()
            for row in try registry.programs() {
                bringBack(row, probes.filter { $0.program == row.name })
            }
            finishDeletes(of: probes)
            removeStrays()
        } catch {
            throw Problem(error, while: "read the registry")
        }
        state.withLock { $0.isReady = true }
    }

    private func undoIntents() throws(RegistryError) {
        let intents = try registry.intents()
        for intent in intents where Names.isOurs(intent.name) {
            log.info(
                "undoing a change that did not end",
                metadata: ["subject": "\(intent.subject)", "pin": "\(intent.name)"])
            removePin(intent.name)
        }
        try registry.forget(intents: intents.map(\.name))
    }

    private func removePin(_ name: String) {
        do { try removePins(name) } catch {
            log.error("a pin stays", metadata: ["pin": "\(name)", "errno": "\(error)"])
        }
    }

    private func bringBack(_ row: ProgramRow, _ probes: [ProbeRow]) {
        if row.state == .deleting {
            do { try finishDelete(row, probes, []) } catch {
                log.error(
                    "a delete does not end",
                    metadata: ["program": "\(row.name)", "why": "\(error)"])
            }
            return
        }
        var record = ProgramRecord(row: row, loaded: adopted(row))
        let isAdopted = record.loaded != nil
        if !isAdopted { record = reloaded(row) }
        let shown = record
        state.withLock { $0.programs[row.name] = shown }
        var back = probes.filter { $0.state != .deleting }.map { bringBack($0, record) }
        let isChanged =
            !isAdopted || back.contains { probe in probes.allSatisfy { $0 != probe.row } }
        if isChanged { back = commitBack(&record, back) }
        let final = record
        state.withLock { state in
            state.programs[row.name] = final
            for probe in back { state.probes[probe.row.id] = probe }
        }
        openStreams(of: record)
        log.info(
            isAdopted ? "adopted" : "loaded again",
            metadata: [
                "program": "\(row.name)", "probes": "\(back.filter { $0.attachment != nil }.count)",
            ])
    }

    private func adopted(_ row: ProgramRow) -> LoadedProgram? {
        guard row.state == .active, row.bootID == bootID else { return nil }
        let directory = configuration.bpffsDirectory + "/" + row.loadID
        do {
            return try LoadedProgram(
                name: row.name, directory: directory, report: report(of: row))
        } catch {
            log.warning(
                "the pins of a program are not as they were",
                metadata: ["program": "\(row.name)", "why": "\(error)"])
            return nil
        }
    }

    /// Loads from the kept object, as after a reboot. A failure makes the row `failed`.
    private func reloaded(_ row: ProgramRow) -> ProgramRecord {
        var record = ProgramRecord(row: row, loaded: nil)
        removeLoad(row.loadID)
        let loadID = Names.makeLoadID()
        do {
            try intend([loadID], .load, subject: row.name)
            let loaded = try loadIntoKernel(
                try object(row.digest), try ProgramOptions(canonicalText: row.options),
                name: row.name, loadID: loadID)
            record.loaded = loaded
            record.row.state = .active
            record.row.problem = nil
            record.row.report = String(decoding: loaded.report.json.serialized(), as: UTF8.self)
            record.row.loadedAtNanoseconds = Clock.realtimeNanoseconds()
        } catch {
            removeLoad(loadID)
            record.row.state = .failed
            record.row.problem = StoredProblem.text(error)
            log.error(
                "a program does not load",
                metadata: ["program": "\(row.name)", "why": "\(error.detail)"])
        }
        record.row.loadID = loadID
        record.row.bootID = bootID
        return record
    }

    private func bringBack(_ row: ProbeRow, _ program: ProgramRecord) -> ProbeRecord {
        var row = row
        let attach: AttachDocument
        do { attach = try AttachDocument(stored: row.attach) } catch {
            row.state = .failed
            row.problem = StoredProblem.text(error)
            return ProbeRecord(row: row, attach: .unreadable)
        }
        let record = ProbeRecord(row: row, attach: attach)
        guard row.enabled else { return record }
        guard let loaded = program.loaded else {
            return failed(
                record, Problem(.conflict, "Program \(row.program) is not loaded: see its problem.")
            )
        }
        if row.bootID == bootID,
            let attachment = adopt(attach, pin: row.pin, function: row.function, of: loaded)
        {
            var adopted = record
            adopted.attachment = attachment
            return adopted
        }
        removePin(row.pin)
        do { return try moved(record, to: loaded) } catch {
            return failed(record, error)
        }
    }

    private func failed(_ record: ProbeRecord, _ problem: Problem) -> ProbeRecord {
        log.error(
            "a probe does not attach",
            metadata: ["probe": "\(record.row.id)", "why": "\(problem.detail)"])
        var record = record
        record.row.state = .failed
        record.row.problem = StoredProblem.text(problem)
        return record
    }

    private func commitBack(_ record: inout ProgramRecord, _ probes: [ProbeRecord])
        -> [ProbeRecord]
    {
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "reconciled")
        let row = record.row
        do {
            let revision = try commit(origin, subject: "programs/\(row.name)") { transaction in
                try transaction.put(row)
                try transaction.removeIntent(row.loadID)
                for probe in probes {
                    try transaction.put(probe.row)
                    try transaction.removeIntent(probe.row.pin)
                }
            }
            record.row.revision = revision
            return probes.map { probe in
                var probe = probe
                probe.row.revision = revision
                return probe
            }
        } catch {
            log.error("what was reconciled is not recorded", metadata: ["why": "\(error.detail)"])
            return probes
        }
    }

    private func finishDeletes(of probes: [ProbeRow]) {
        let alive = state.withLock { Set($0.programs.keys) }
        let left = probes.filter { $0.state == .deleting && alive.contains($0.program) }
        guard !left.isEmpty else { return }
        do { try finishDelete(left, []) } catch {
            log.error("a detach does not end", metadata: ["why": "\(error.detail)"])
        }
    }

    /// Removes pins of our own making that no row names. Anything else in the directory stays.
    private func removeStrays() {
        let names = state.withLock { state in
            Set(state.programs.values.map(\.row.loadID) + state.probes.values.map(\.row.pin))
        }
        let found: [String]
        do { found = try FileSystem.list(configuration.bpffsDirectory) } catch { found = [] }
        // The kernel itself puts `maps.debug` and `progs.debug` at a bpffs's root; no pin has a
        // dot.
        for name in found where !names.contains(Names.base(of: name)) && !name.contains(".") {
            guard Names.isOurs(name) else {
                log.warning("a foreign name in our bpffs directory", metadata: ["name": "\(name)"])
                continue
            }
            log.warning("removing a pin without a row", metadata: ["pin": "\(name)"])
            removePin(Names.base(of: name))
        }
    }
}
