internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Registry

extension ApplyRun {
    /// Takes to the new loads what is attached to the old ones and the manifest does not speak of;
    /// attaches what `attach: auto` wants attached.
    func moveOthers() throws(Problem) {
        let spokenOf = Set(manifest.probes.compactMap(\.id) + prunedProbes.map(\.row.id))
        for name in stagedOrder {
            guard let stage = staged[name], let loaded = stage.record.loaded else { continue }
            for old in node.probeRecords(of: name) where !spokenOf.contains(old.row.id) {
                try step("probes/\(old.row.id)", at: nil) { () throws(Problem) in
                    try move(old, to: loaded)
                }
            }
            if stage.old == nil || wantsAll(name) { try attachMissing(of: loaded) }
        }
        for (name, functions) in missing.sorted(by: { $0.key < $1.key }) {
            try attach(functions, of: try loaded(name))
        }
    }

    private func wantsAll(_ program: String) -> Bool {
        manifest.programs.first { $0.name == program }?.options.attach == .auto
    }

    private func attachMissing(of loaded: LoadedProgram) throws(Problem) {
        guard wantsAll(loaded.name) else { return }
        let taken = Set(
            placed.map(\.record.row).filter { $0.program == loaded.name }.map(\.function)
                + manifest.probes.filter { $0.program == loaded.name }.map(\.function))
        try attach(
            loaded.report.functions.map(\.name).filter { !taken.contains($0) }, of: loaded)
    }

    private func attach(_ functions: [String], of loaded: LoadedProgram) throws(Problem) {
        let wanted = loaded.report.functions.filter { functions.contains($0.name) }
        try step("programs/\(loaded.name)", at: nil) { () throws(Problem) in
            let others =
                placed.map(\.record).filter { $0.row.program == loaded.name }
                + node.probeRecords(of: loaded.name)
            if isDryRun {
                for (function, document) in try AttachDocument.bySection(
                    wanted, beside: others.map(\.attach))
                {
                    try admitProbe()
                    try node.resolve(document, function: function.name, of: loaded, names)
                    let id = loaded.name + "." + function.name
                    note(PlannedChange(.create, .probe, id, "attach of \(loaded.name) is auto."))
                }
                return
            }
            let taken = node.takenProbeIDs().union(manifest.probes.compactMap(\.id))
                .union(placed.map(\.record.row.id))
            for record in try node.attachBySection(
                wanted, of: loaded, beside: others, taken: taken,
                balance: created - prunedProbes.count)
            {
                created += 1
                placed.append(Placed(record: record, old: nil))
                note(
                    PlannedChange(
                        .create, .probe, record.row.id, "attach of \(loaded.name) is auto."))
            }
        }
    }

    private func move(_ old: ProbeRecord, to loaded: LoadedProgram) throws(Problem) {
        let change = PlannedChange(
            .replace, .probe, old.row.id, "Its program \(loaded.name) is replaced.")
        guard !isDryRun else {
            guard
                let function = loaded.report.functions.first(where: { $0.name == old.row.function })
            else { throw homeless(old) }
            try AttachDocument.checkKind(old.attach.kind, fits: function)
            return note(change)
        }
        placed.append(Placed(record: try attached(old, to: loaded, old: old), old: old))
        note(change)
    }

    private func homeless(_ probe: ProbeRecord) -> Problem {
        Problem(
            .conflict,
            "The new object of \(probe.row.program) has no function \(probe.row.function), which "
                + "probe \(probe.row.id) is registered for: delete the probe first.")
    }

    /// Brings one probe to what the manifest says.
    func place(_ probe: ProbeChange) throws(Problem) {
        let id = probe.id ?? probe.program + "." + probe.function
        let old = node.state.withLock { $0.probes[id] }
        let loaded = try loaded(probe.program)
        let function = try function(of: probe, in: loaded)
        let document = try AttachDocument(
            probe.attach, for: function, at: .root.appending("attach"))
        var record = ProbeRecord(
            row: ProbeRow(
                id: id, program: probe.program, function: probe.function,
                attach: document.text, enabled: probe.isEnabled, labels: probe.labels,
                state: .active, pin: Names.makeLinkPin(), bootID: node.bootID,
                createdAtNanoseconds: old?.row.createdAtNanoseconds
                    ?? Clock.realtimeNanoseconds()), attach: document)
        record.row.whenGone = probe.whenGone
        guard let old else {
            _ = own(.probe, id)
            try put(record, loaded, old: nil)
            return note(
                PlannedChange(.create, .probe, id, "There is no probe \(id)."))
        }
        let placeDiffers = Self.differences(old, record)
        var differences = placeDiffers + Difference.labels(old.row.labels, probe.labels)
        differences += Difference.between(
            .string(old.row.whenGone.rawValue), .string(probe.whenGone.rawValue),
            at: .root.appending("when_gone"))
        differences += own(.probe, id)
        let isAsItShould =
            old.row.state == .active && (old.attachment != nil) == probe.isEnabled
            && staged[probe.program] == nil
        if placeDiffers.isEmpty && isAsItShould {
            if differences.isEmpty {
                return note(PlannedChange(.none, .probe, id, "It is as declared."))
            }
            record = old
            record.row.labels = probe.labels
            record.row.whenGone = probe.whenGone
            edited.append(record)
            return note(
                PlannedChange(
                    .replace, .probe, id,
                    "Only labels, owner or when_gone differ: its link stays.", differences))
        }
        try put(record, loaded, old: old)
        note(
            PlannedChange(
                .replace, .probe, id, reason(old, placeDiffers, probe), differences))
    }

    private func reason(
        _ old: ProbeRecord, _ differences: [Difference], _ probe: ProbeChange
    ) -> String {
        if !differences.isEmpty {
            let names = differences.map { String($0.pointer.description.dropFirst()) }
            return "It is registered with another \(names.joined(separator: ", "))."
        }
        if staged[probe.program] != nil { return "Its program \(probe.program) is replaced." }
        return "It is not attached."
    }

    private static func differences(_ old: ProbeRecord, _ new: ProbeRecord) -> [Difference] {
        func document(_ record: ProbeRecord) -> JSONValue {
            [
                "program": .string(record.row.program), "function": .string(record.row.function),
                "attach": .object(record.attach.json), "enabled": .bool(record.row.enabled),
            ]
        }
        return Difference.between(document(old), document(new))
    }

    private func function(of probe: ProbeChange, in loaded: LoadedProgram) throws(Problem)
        -> LoadReport.Function
    {
        if let found = loaded.report.functions.first(where: { $0.name == probe.function }) {
            return found
        }
        let near = NearMatches.find(probe.function, among: loaded.report.functions.map(\.name))
        throw Problem(
            .notFound, "Program \(probe.program) has no function \(probe.function).",
            pointer: "/function",
            hint: near.isEmpty ? nil : "It has " + near.joined(separator: ", ") + ".")
    }

    private func put(_ record: ProbeRecord, _ loaded: LoadedProgram, old: ProbeRecord?)
        throws(Problem)
    {
        if old == nil { try admitProbe() }
        guard !isDryRun else {
            if record.row.enabled { try resolve(record, loaded, old) }
            return
        }
        placed.append(Placed(record: try attached(record, to: loaded, old: old), old: old))
    }

    /// - Throws: what would refuse the probe; not that the place is taken by what goes.
    private func resolve(_ record: ProbeRecord, _ loaded: LoadedProgram, _ old: ProbeRecord?)
        throws(Problem)
    {
        do throws(Problem) {
            try node.resolve(record.attach, function: record.row.function, of: loaded, names)
        } catch {
            let isOurs =
                error.members["holder_probe"] != nil && holder(in: error, record, old) != nil
            guard error.type == .attachBusy, isOurs else { throw error }
        }
    }

    /// One more probe of the manifest, beside those that stay.
    /// - Throws: `quota_exceeded`.
    private func admitProbe() throws(Problem) {
        try node.admitProbes(created + 1 - prunedProbes.count)
        created += 1
    }

    /// In place where the kernel exchanges the function under the link, else new before old, and
    /// where the place is given only once, old before new.
    private func attached(_ wanted: ProbeRecord, to loaded: LoadedProgram, old: ProbeRecord?)
        throws(Problem) -> ProbeRecord
    {
        if let old, let attachment = old.attachment, old.attach == wanted.attach,
            wanted.row.enabled
        {
            var record = wanted
            record.row.pin = old.row.pin
            record.row.linkIDs = old.row.linkIDs
            record.row.target = old.row.target
            record.attachment = attachment
            if let updated = node.updated(record, to: loaded) { return updated }
        }
        do throws(Problem) { return try node.moved(wanted, to: loaded) } catch {
            guard error.type == .attachBusy, let holder = holder(in: error, wanted, old),
                let attachment = holder.attachment
            else { throw error }
            _ = node.detachAll([attachment])
            detachedEarly.append(holder)
            return try node.moved(wanted, to: loaded)
        }
    }

    /// Who is in the way and has to go anyway: the probe as it was, one that is pruned, or one that
    /// the manifest declares at another place, or disabled.
    private func holder(in problem: Problem, _ wanted: ProbeRecord, _ old: ProbeRecord?)
        -> ProbeRecord?
    {
        guard case .text(let id)? = problem.members["holder_probe"] else {
            return old?.attach == wanted.attach ? old : twin(of: wanted) ?? old
        }
        if id == old?.row.id { return old }
        if let before = placed.first(where: { $0.record.row.id == id })?.old { return before }
        guard let record = node.state.withLock({ $0.probes[id] }), isGoing(record) else {
            return nil
        }
        return record
    }

    /// The kernel takes a function once at a place: who has the same function there, and goes.
    private func twin(of wanted: ProbeRecord) -> ProbeRecord? {
        node.probeRecords(of: wanted.row.program).first { record in
            record.row.function == wanted.row.function && record.attach == wanted.attach
                && record.attachment != nil && record.row.id != wanted.row.id && isGoing(record)
        }
    }

    private func isGoing(_ record: ProbeRecord) -> Bool {
        if prunedProbes.contains(where: { $0.row.id == record.row.id }) { return true }
        guard let wanted = manifest.probes.first(where: { $0.id == record.row.id }) else {
            return false
        }
        return !wanted.isEnabled || isElsewhere(wanted, record)
    }

    private func isElsewhere(_ wanted: ProbeChange, _ record: ProbeRecord) -> Bool {
        // What cannot be read is refused when its turn comes.
        guard let loaded = try? loaded(wanted.program),
            let function = try? function(of: wanted, in: loaded),
            let document = try? AttachDocument(wanted.attach, for: function, at: .root)
        else { return false }
        return document != record.attach || wanted.function != record.row.function
            || wanted.program != record.row.program
    }
}
