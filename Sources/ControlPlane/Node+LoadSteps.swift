internal import BPF
internal import Events
internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Registry

// The steps that loading, replacing and coming back after a reboot share.
extension Node {
    /// Attaches what the change asks for: the old load's probes on the new functions, and with
    /// `attach: auto` every function that has none. All or nothing.
    func attachAll(
        _ change: ProgramChange, _ loaded: LoadedProgram, moving before: [ProbeRecord]
    ) throws(Problem) -> ([ProbeRecord], [ReplacedProbe]) {
        var probes: [ProbeRecord] = []
        var replaced: [ReplacedProbe] = []
        do {
            for existing in before {
                let start = Clock.monotonicNanoseconds()
                if let updated = updated(existing, to: loaded) {
                    probes.append(updated)
                    replaced.append(
                        ReplacedProbe(id: existing.row.id, atomic: true, overlapNanoseconds: 0))
                    continue
                }
                probes.append(try moved(existing, to: loaded))
                guard existing.attachment != nil else { continue }
                replaced.append(
                    ReplacedProbe(
                        id: existing.row.id, atomic: false,
                        overlapNanoseconds: Clock.monotonicNanoseconds() - start))
            }
            if change.options.attach == .auto {
                let attached = Set(probes.map(\.row.function))
                let missing = loaded.report.functions.filter { !attached.contains($0.name) }
                probes += try attachBySection(
                    missing, of: loaded, beside: probes, taken: takenProbeIDs())
            }
            return (probes, replaced)
        } catch {
            undo(probes, before: before)
            throw error
        }
    }

    /// The same links with the function of another load in them, where the kernel exchanges it
    /// without a gap.
    /// - Returns: nil where it does not: then attach anew.
    func updated(_ probe: ProbeRecord, to loaded: LoadedProgram) -> ProbeRecord? {
        guard probe.attach.kind.isUpdatable, let attachment = probe.attachment,
            let function = loaded.functions[probe.row.function],
            let report = loaded.report.functions.first(where: { $0.name == probe.row.function }),
            probe.attach.kind.fits(report), probe.attach.isAsFixed(for: report),
            hasSameMap(probe, in: loaded)
        else { return nil }
        do {
            try attachment.update(to: function)
        } catch {
            log.info(
                "a link is not updated but made anew",
                metadata: ["probe": "\(probe.row.id)", "reason": "\(error)"])
            return nil
        }
        var probe = probe
        probe.row.bootID = bootID
        probe.row.state = .active
        probe.row.problem = nil
        return probe
    }

    /// A link to a map stays at that map: where the new load has another of the name, sockets that
    /// come into it, or a walk over it, would not see the function.
    private func hasSameMap(_ probe: ProbeRecord, in loaded: LoadedProgram) -> Bool {
        guard var name = probe.attach.members["map"]?.string else { return true }
        let own = probe.row.program + "/"
        if name.hasPrefix(own) { name.removeFirst(own.count) }
        if name.contains("/") { return true }
        let old = state.withLock { $0.programs[probe.row.program]?.loaded }
        return old?.maps[name]?.map.info.id == loaded.maps[name]?.map.info.id
    }

    /// The same registration on another load of its program; attached beside the old link.
    /// - Parameter isIntended: its pin's intent is noted already, and is the caller's to forget.
    func moved(_ probe: ProbeRecord, to loaded: LoadedProgram, isIntended: Bool = false)
        throws(Problem) -> ProbeRecord
    {
        var probe = probe
        let subject = "probes/\(probe.row.id)"
        guard loaded.report.functions.contains(where: { $0.name == probe.row.function }) else {
            throw Problem(
                .conflict,
                "The new object has no function \(probe.row.function), which probe "
                    + "\(probe.row.id) is "
                    + "registered for: delete the probe first.")
        }
        probe.row.bootID = bootID
        probe.row.state = .active
        probe.row.problem = nil
        probe.attachment = nil
        probe.row.linkIDs = []
        probe.row.target = ""
        guard probe.row.enabled else { return probe }
        if !isIntended {
            probe.row.pin = Names.makeLinkPin()
            try intend([probe.row.pin], .link, subject: subject)
        }
        do {
            let attachment = try attach(
                probe.attach, function: probe.row.function, of: loaded, pin: probe.row.pin)
            probe.attachment = attachment
            probe.row.linkIDs = attachment.linkIDs
            probe.row.target = PlaceOnHost(probe.attach, self).fileIdentity
        } catch {
            if !isIntended { forget([probe.row.pin]) }
            throw error
        }
        return probe
    }

    /// Attaches functions as their section names say, under `{program}.{function}`. All or nothing.
    /// - Parameters:
    ///   - others: the program's probes that are there.
    ///   - balance: probes that are new and not registered yet, less those that go.
    func attachBySection(
        _ functions: [LoadReport.Function], of loaded: LoadedProgram, beside others: [ProbeRecord],
        taken: Set<String>, balance: Int = 0
    ) throws(Problem) -> [ProbeRecord] {
        let places = try AttachDocument.bySection(functions, beside: others.map(\.attach))
        try admitProbes(places.count + balance)
        var wanted: [ProbeRecord] = []
        var taken = taken
        for (function, document) in places {
            let id = freeProbeID(loaded.name + "." + function.name, taken: taken)
            taken.insert(id)
            let row = ProbeRow(
                id: id, program: loaded.name, function: function.name, attach: document.text,
                enabled: true, labels: [:], state: .active, pin: Names.makeLinkPin(),
                bootID: bootID, createdAtNanoseconds: Clock.realtimeNanoseconds())
            wanted.append(ProbeRecord(row: row, attach: document))
        }
        if wanted.isEmpty { return [] }
        let pins = wanted.map(\.row.pin)
        try intend(pins, .link, subject: "programs/\(loaded.name)/probes")
        var probes: [ProbeRecord] = []
        do {
            for probe in wanted {
                probes.append(try moved(probe, to: loaded, isIntended: true))
            }
            return probes
        } catch {
            undo(probes)
            forget(pins)
            throw error
        }
    }

    /// Writes program and probes as they are now, in one transaction, and shows them to readers.
    func commitLoad(
        _ record: inout ProgramRecord, _ probes: [ProbeRecord], retiring names: [String],
        _ origin: ChangeOrigin, isNew: Bool = false
    ) throws(Problem) {
        let row = record.row
        let now = Clock.realtimeNanoseconds()
        let bootID = bootID
        let old = state.withLock { $0.programs[row.name]?.loaded }
        let kept = mapsKept(by: record.loaded, from: old)
        let object = ObjectRow(
            digest: row.digest, sizeBytes: row.sizeBytes, createdAtNanoseconds: now)
        let revision = try commit(origin, subject: "programs/\(row.name)") { transaction in
            try transaction.put(object)
            try transaction.put(row)
            try transaction.removeIntent(row.loadID)
            if isNew {
                try transaction.removeVariables(of: row.name)
                try transaction.removeSnapshots(of: row.name, but: kept)
            }
            for probe in probes {
                try transaction.put(probe.row)
                try transaction.removeIntent(probe.row.pin)
            }
            for name in names {
                try transaction.put(
                    IntentRow(
                        name: name, kind: name.hasPrefix("o") ? .load : .link, subject: row.name,
                        bootID: bootID, startedAtNanoseconds: now))
            }
        }
        record.row.revision = revision
        let committed = record
        defer { snapshotTimer.withLock { $0 }?.wake() }
        state.withLock { state in
            state.programs[committed.row.name] = committed
            for var probe in probes {
                probe.row.revision = revision
                state.probes[probe.row.id] = probe
            }
        }
    }

    /// Takes back links of a change that failed.
    /// - Parameter before: the probes as they were; links that were updated get their functions
    /// back.
    func undo(_ probes: [ProbeRecord], before: [ProbeRecord] = []) {
        var made: [ProbeRecord] = []
        for probe in probes {
            guard let attachment = probe.attachment else { continue }
            guard let old = before.first(where: { $0.attachment === attachment }) else {
                made.append(probe)
                continue
            }
            let loaded = state.withLock { $0.programs[old.row.program]?.loaded }
            do { try loaded?.functions[old.row.function].map(attachment.update(to:)) } catch {
                log.error(
                    "an undone update stays",
                    metadata: ["probe": "\(old.row.id)", "why": "\(error)"])
            }
        }
        for failure in detachAll(made.compactMap(\.attachment)) {
            log.error("an undone link stays", metadata: ["errno": "\(failure)"])
        }
        forget(made.map(\.row.pin))
    }

    /// Removes the kernel's side of what a new load has replaced. What cannot be removed now stays
    /// an intent and goes at the next start.
    func retire(_ loadID: String?, _ links: [Attachment], for record: ProgramRecord) {
        for failure in detachAll(links) {
            log.error("a replaced link stays", metadata: ["errno": "\(failure)"])
        }
        // Nothing fills the old rings any more: the pump takes their rest and goes on with the new.
        openStreams(of: record)
        if let loadID { removeLoad(loadID) }
        forget(links.map(\.pin) + [loadID].compactMap { $0 })
    }

    /// Unpins everything of a load. The kernel frees it when the last descriptor is closed.
    func removeLoad(_ loadID: String, known: PinnedIDs = PinnedIDs(text: "")) {
        do {
            try removeLoadPins(loadID, known: known)
            fault(.afterUnload)
        } catch {
            log.error(
                "a load's pins stay until the next start",
                metadata: ["load": "\(loadID)", "errno": "\(error)"])
        }
    }

    /// Lets the pump take the records of every ring of a program.
    func openStreams(of record: ProgramRecord) {
        guard let loaded = record.loaded else { return }
        for ring in loaded.ringMaps {
            let key = StreamKey(program: record.row.name, map: ring.name)
            do {
                let options = try ProgramOptions(canonicalText: record.row.options)
                let asked = options.events[ring.name] ?? EventOptions()
                var stream = StreamOptions(
                    schema: try loaded.schema(of: ring.name, options: options),
                    lostCounter: loaded.maps[ring.name + "_lost"].flatMap { MapLostCounter($0) })
                stream.rateLimited = loaded.maps[ring.name + "_limited"].flatMap {
                    MapLostCounter($0)
                }
                stream.retention = asked.retention
                stream.isQuiet = loaded.isQuiet(ring.name)
                if ring.map.info.type == .perfEventArray {
                    let bytes = asked.bufferBytes ?? EventOptions.bufferBytes
                    try events.open(key, perf: try PerfRings(ring.map, bytesPerCPU: bytes), stream)
                } else {
                    try events.open(key, ring: try RingBuffer(ring.map), stream)
                }
            } catch {
                log.error(
                    "a ring's records are not taken",
                    metadata: [
                        "program": "\(key.program)", "map": "\(key.map)", "reason": "\(error)",
                    ])
            }
        }
    }
}
