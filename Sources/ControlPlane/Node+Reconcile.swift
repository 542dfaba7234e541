internal import Events
internal import Linux
internal import Loading
public import Problems
internal import Registry

extension Node {
    /// Makes the kernel and the registry agree: undoes what a crash left half done, adopts what an
    /// earlier daemon pinned, loads and attaches again what is missing. Runs once, before
    /// `/v1/ready`.
    ///
    /// Programs come back before those that were loaded upon them (a target in another program),
    /// then all probes in the order in which they were made: at one hook, order is meaning.
    public func reconcile() throws(Problem) {
        do {
            let registered = try registry.picture()
            let owners = Owners(try registry.owners())
            state.withLock { state in
                state.revision = registered.revision
                state.owners = owners
            }
            // As the crash left it, before anything is undone.
            let own = OwnFunctions(configuration.bpffsDirectory)
            try undoIntents(registered.intents, own)
            try sweepObjects()
            var changed: Set<String> = []
            for row in dependenciesFirst(registered.programs) {
                if row.state == .deleting {
                    endDelete(row, registered.probes.filter { $0.program == row.name })
                    continue
                }
                if bringBack(row) { changed.insert(row.name) }
                let now = state.withLock { $0.programs[row.name]?.row.loadID }
                if now != row.loadID { restoreDeclaredEntries(ofProgram: row.name) }
                fault(.afterBringBack)
            }
            bringBack(registered.probes, own, &changed)
            record(changed)
            finishDeletes(of: registered.probes)
            let written = try registry.entryUndo()
            if !written.isEmpty { undoEntries(written) }
            fault(.beforeReady)
            removeStrays(own)
        } catch {
            throw Problem(error, while: "read the registry")
        }
        for record in state.withLock({ Array($0.programs.values) }) { openStreams(of: record) }
        state.withLock { $0.isReady = true }
        startLookout()
        sweepSnapshots()
        startSnapshots()
    }

    private func undoIntents(_ intents: [IntentRow], _ own: OwnFunctions) throws(RegistryError) {
        for intent in intents where Names.isOurs(intent.name) {
            log.info(
                "undoing a change that did not end",
                metadata: ["subject": "\(intent.subject)", "pin": "\(intent.name)"])
            removePin(intent.name, own: own)
        }
        fault(.afterUndo)
        try registry.forget(intents: intents.map(\.name))
    }

    private func removePin(_ name: String, links: [UInt32] = [], own: OwnFunctions) {
        do { try removePins(name, links: links, own: own) } catch {
            log.error("a pin stays", metadata: ["pin": "\(name)", "errno": "\(error)"])
        }
    }

    private func endDelete(_ row: ProgramRow, _ probes: [ProbeRow]) {
        do { try finishDelete(row, probes, []) } catch {
            log.error(
                "a delete does not end", metadata: ["program": "\(row.name)", "why": "\(error)"])
        }
    }

    /// As they come, but what another is loaded upon before the other.
    func dependenciesFirst(_ rows: [ProgramRow]) -> [ProgramRow] {
        LoadOrder.dependenciesFirst(rows, name: \.name) { row in
            // What cannot be read is told of when it is loaded.
            (try? ProgramOptions(canonicalText: row.options).otherPrograms) ?? []
        }
    }

    /// - Returns: whether the row is another now.
    private func bringBack(_ row: ProgramRow) -> Bool {
        var record = ProgramRecord(row: row, loaded: adopted(row))
        if let loaded = record.loaded {
            record.row.kernelIDs = PinnedIDs(loaded).text
            setVariables(of: loaded, onlyPending: true)
        } else {
            record = reloaded(row)
        }
        let final = record
        state.withLock { $0.programs[row.name] = final }
        log.info(
            record.row.loadID == row.loadID ? "adopted" : "loaded again",
            metadata: ["program": "\(row.name)"])
        return record.row != row
    }

    private func adopted(_ row: ProgramRow) -> LoadedProgram? {
        guard row.state == .active, row.bootID == bootID, Names.isOurs(row.loadID) else {
            return nil
        }
        do {
            let loaded = try LoadedProgram(
                name: row.name, directory: pinPath(row.loadID), report: report(of: row))
            guard row.kernelIDs.isEmpty || PinnedIDs(loaded).text == row.kernelIDs else {
                log.warning(
                    "somebody else's things are pinned where a program's were",
                    metadata: ["program": "\(row.name)", "pins": "\(pinPath(row.loadID))"])
                return nil
            }
            return loaded
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
        removeLoad(row.loadID, known: PinnedIDs(text: row.bootID == bootID ? row.kernelIDs : ""))
        let loadID = Names.makeLoadID()
        record.row.kernelIDs = ""
        do {
            try intend([loadID], .load, subject: row.name)
            let options = try ProgramOptions(canonicalText: row.options)
            let loaded = try loadIntoKernel(
                try object(row.digest), options, name: row.name, loadID: loadID)
            setVariables(of: loaded, onlyPending: false)
            restoreSnapshots(of: loaded, options)
            record.loaded = loaded
            record.row.state = .active
            record.row.problem = nil
            record.row.report = String(decoding: loaded.report.json.serialized(), as: UTF8.self)
            record.row.loadedAtNanoseconds = Clock.realtimeNanoseconds()
            record.row.kernelIDs = PinnedIDs(loaded).text
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

    /// All probes in their order; those that stand before or after one that came later, once more.
    private func bringBack(_ rows: [ProbeRow], _ own: OwnFunctions, _ changed: inout Set<String>) {
        let live = rows.filter { row in
            row.state != .deleting && state.withLock { $0.programs[row.program] != nil }
        }
        var again: [ProbeRow] = []
        for row in live {
            let record = bringBack(row, own)
            state.withLock { $0.probes[row.id] = record }
            if record.row != row { changed.insert(row.program) }
            if record.row.state == .failed { again.append(row) }
        }
        for row in again {
            let record = bringBack(row, own)
            state.withLock { $0.probes[row.id] = record }
            if record.row != row { changed.insert(row.program) }
            guard let problem = StoredProblem.problem(record.row.problem) else { continue }
            log.error(
                "a probe does not attach",
                metadata: ["probe": "\(row.id)", "why": "\(problem.detail)"])
        }
    }

    private func bringBack(_ row: ProbeRow, _ own: OwnFunctions) -> ProbeRecord {
        var row = row
        let attach: AttachDocument
        do { attach = try AttachDocument(stored: row.attach) } catch {
            row.state = .failed
            row.problem = StoredProblem.text(error)
            return ProbeRecord(row: row, attach: .unreadable)
        }
        var record = ProbeRecord(row: row, attach: attach)
        guard row.enabled else { return record }
        guard let loaded = state.withLock({ $0.programs[row.program] })?.loaded else {
            return failed(
                record, Problem(.conflict, "Program \(row.program) is not loaded: see its problem.")
            )
        }
        if row.bootID == bootID, let attachment = adopt(attach, row, of: loaded, own: own) {
            record.attachment = attachment
            record.row.linkIDs = attachment.linkIDs
            record.row.target = PlaceOnHost(attach, self).fileIdentity
            record.row.state = .active
            record.row.problem = nil
            return record
        }
        removePin(row.pin, links: row.bootID == bootID ? row.linkIDs : [], own: own)
        do { return try moved(record, to: loaded) } catch { return failed(record, error) }
    }

    func failed(_ record: ProbeRecord, _ problem: Problem) -> ProbeRecord {
        var record = record
        record.row.state = .failed
        record.row.problem = StoredProblem.text(problem)
        return record
    }

    /// Writes what is another now, a transaction for each program, and shows it to readers.
    private func record(_ changed: Set<String>) {
        for name in changed.sorted() {
            guard let program = state.withLock({ $0.programs[name] }) else { continue }
            let probes = probeRecords(of: name)
            let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "reconciled")
            do {
                let revision = try commit(origin, subject: "programs/\(name)") { transaction in
                    try transaction.put(program.row)
                    try transaction.removeIntent(program.row.loadID)
                    for probe in probes {
                        try transaction.put(probe.row)
                        try transaction.removeIntent(probe.row.pin)
                    }
                }
                state.withLock { state in
                    state.programs[name]?.row.revision = revision
                    for probe in probes { state.probes[probe.row.id]?.row.revision = revision }
                }
            } catch {
                log.error(
                    "what was reconciled is not recorded", metadata: ["why": "\(error.detail)"])
            }
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
    private func removeStrays(_ own: OwnFunctions) {
        let names = state.withLock { state in
            Set(state.programs.values.map(\.row.loadID) + state.probes.values.map(\.row.pin))
        }
        let found: [String]
        do { found = try FileSystem.list(configuration.bpffsDirectory) } catch { found = [] }
        // The kernel itself puts `maps.debug` and `progs.debug` at a bpffs's root; no pin has a
        // dot. Links before loads: by the load's functions they are known.
        for name in found.sorted()
        where !names.contains(Names.base(of: name)) && !name.contains(".") {
            guard Names.isOurs(name) else {
                log.warning("a foreign name in our bpffs directory", metadata: ["name": "\(name)"])
                continue
            }
            log.warning("removing a pin without a row", metadata: ["pin": "\(name)"])
            removePin(Names.base(of: name), own: own)
        }
    }
}
