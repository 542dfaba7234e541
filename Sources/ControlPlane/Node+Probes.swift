public import JSON
internal import Linux
internal import Loading
public import Problems
public import Registry

/// One request to attach.
public struct ProbeChange: Sendable {
    /// nil: `{program}.{function}`, with `-2`, `-3` … where that is taken.
    public var id: String?
    public var program: String
    public var function: String
    /// The `attach` member as the client gave it; empty: as the section name says.
    public var attach: JSONObject
    public var isEnabled: Bool
    public var labels: [String: String]
    public typealias WhenGone = Registry.WhenGone
    /// What is to become of it when its target goes.
    public var whenGone: WhenGone
    public var conditions: Conditions
    public var isDryRun: Bool

    public init(
        id: String?, program: String, function: String, attach: JSONObject, isEnabled: Bool,
        labels: [String: String], whenGone: WhenGone = .fail, conditions: Conditions,
        isDryRun: Bool
    ) {
        self.id = id
        self.program = program
        self.function = function
        self.attach = attach
        self.isEnabled = isEnabled
        self.labels = labels
        self.whenGone = whenGone
        self.conditions = conditions
        self.isDryRun = isDryRun
    }
}

public struct ProbeOutcome: Sendable {
    public var probe: ProbeView
    public var changed: Bool
    public var created: Bool
}

extension Node {
    /// Registers a probe and attaches it, unless it is to be disabled.
    public func putProbe(_ change: ProbeChange, _ origin: ChangeOrigin) throws(Problem)
        -> ProbeOutcome
    {
        if let id = change.id { try Names.check(id, "probe id") }
        let existing = change.id.flatMap { id in state.withLock { $0.probes[id] } }
        let subject = "probes/\(change.id ?? change.program + "." + change.function)"
        do {
            return try locks.withLock([change.program, existing?.row.program ?? change.program]) {
                () throws(Problem) in
                try quotaTurns.run { () throws(Problem) in try putProbeLocked(change, origin) }
            }
        } catch {
            if !change.isDryRun { noteRefusal(error, origin, subject: subject) }
            throw error
        }
    }

    private func putProbeLocked(_ change: ProbeChange, _ origin: ChangeOrigin) throws(Problem)
        -> ProbeOutcome
    {
        let old = change.id.flatMap { id in state.withLock { $0.probes[id] } }
        try change.conditions.check(old?.row.revision, of: "Probe \(change.id ?? "")")
        let (loaded, function) = try loadedFunction(change.program, change.function)
        let document = try AttachDocument(
            change.attach, for: function, at: .root.appending("attach"))
        if let old, old.row.program == change.program, old.row.function == change.function,
            old.attach == document, old.row.enabled == change.isEnabled,
            old.row.labels == change.labels, old.row.whenGone == change.whenGone,
            old.row.state == .active
        {
            return ProbeOutcome(probe: view(of: old), changed: false, created: false)
        }
        if old == nil { try admitProbes(1) }
        let id =
            change.id
            ?? freeProbeID(change.program + "." + change.function, taken: takenProbeIDs())
        try Names.check(id, "probe id")
        var row = ProbeRow(
            id: id, program: change.program, function: change.function, attach: document.text,
            enabled: change.isEnabled, labels: change.labels, state: .active,
            pin: Names.makeLinkPin(), bootID: bootID,
            createdAtNanoseconds: old?.row.createdAtNanoseconds ?? Clock.realtimeNanoseconds())
        row.whenGone = change.whenGone
        if change.isDryRun { return try rehearse(row, document, loaded, isNew: old == nil) }
        let sameTarget =
            old?.row.program == change.program && old?.row.function == change.function
            && old?.attach == document
        var record = ProbeRecord(row: row, attach: document)
        if sameTarget, let old, let attachment = old.attachment, change.isEnabled,
            old.row.state == .active
        {
            // Only labels differ: the link stays as it is.
            record.row.pin = old.row.pin
            record.row.linkIDs = old.row.linkIDs
            record.row.target = old.row.target
            record.attachment = attachment
            record = try commitProbe(record, retiring: nil, origin)
        } else {
            record = try exchanged(record, loaded, old: old, origin)
        }
        return ProbeOutcome(probe: view(of: record), changed: true, created: old == nil)
    }

    /// New before old, so that nothing is missed, unless the kernel takes the function only once at
    /// that place (a tracepoint whose cookie changes): then the old link goes first.
    func exchanged(
        _ wanted: ProbeRecord, _ loaded: LoadedProgram, old: ProbeRecord?, _ origin: ChangeOrigin
    ) throws(Problem) -> ProbeRecord {
        if let old, let record = try updatedInPlace(wanted, loaded, old: old, origin) {
            return record
        }
        var retired = old?.attachment
        var record: ProbeRecord
        do throws(Problem) {
            record = try moved(wanted, to: loaded)
        } catch {
            guard error.type == .attachBusy, let old, let attachment = retired else { throw error }
            _ = detachAll([attachment])
            retired = nil
            do throws(Problem) { record = try moved(wanted, to: loaded) } catch {
                // As it was before; where even that fails, the next start attaches it.
                if let back = try? moved(old, to: loaded) {
                    _ = try commitProbe(back, retiring: nil, origin)
                }
                throw error
            }
        }
        do throws(Problem) {
            return try commitProbe(record, retiring: retired, origin)
        } catch {
            undo([record])
            throw error
        }
    }

    /// Another function at the same place: exchanged under the link, where the kernel can.
    private func updatedInPlace(
        _ wanted: ProbeRecord, _ loaded: LoadedProgram, old: ProbeRecord, _ origin: ChangeOrigin
    ) throws(Problem) -> ProbeRecord? {
        guard wanted.row.enabled, old.attach == wanted.attach, let attachment = old.attachment
        else { return nil }
        var record = wanted
        record.row.pin = old.row.pin
        record.row.linkIDs = old.row.linkIDs
        record.row.target = old.row.target
        record.attachment = attachment
        guard let record = updated(record, to: loaded) else { return nil }
        do throws(Problem) {
            return try commitProbe(record, retiring: nil, origin)
        } catch {
            undo([record], before: [old])
            throw error
        }
    }

    /// Attaches for a moment and takes it back: only so is it known whether the kernel would.
    private func rehearse(
        _ row: ProbeRow, _ document: AttachDocument, _ loaded: LoadedProgram, isNew: Bool
    ) throws(Problem) -> ProbeOutcome {
        if row.enabled {
            try intend([row.pin], .link, subject: "probes/\(row.id)")
            do {
                let attachment = try attach(
                    document, function: row.function, of: loaded, pin: row.pin)
                _ = detachAll([attachment])
            } catch {
                forget([row.pin])
                // The place is the probe's own now, and would be again.
                guard error.members["holder_probe"] == .text(row.id) else { throw error }
            }
            forget([row.pin])
        }
        let record = ProbeRecord(row: row, attach: document)
        return ProbeOutcome(
            probe: view(of: record, isRehearsal: true), changed: true, created: isNew)
    }

    /// Enables, disables, labels.
    /// - Parameter isEnabled: nil leaves it as it is, as with `whenGone`.
    public func patchProbe(
        _ id: String, _ conditions: Conditions, isDryRun: Bool, _ origin: ChangeOrigin,
        isEnabled: Bool?, whenGone: WhenGone? = nil,
        _ change: ([String: String]) -> [String: String]
    ) throws(Problem) -> ProbeOutcome {
        let program = try probe(id).row.program
        return try locks.withLock([program]) { () throws(Problem) in
            guard var record = state.withLock({ $0.probes[id] }) else {
                throw Problem(.notFound, "There is no probe \(id).")
            }
            try conditions.check(record.row.revision, of: "Probe \(id)")
            let old = record
            record.row.labels = change(record.row.labels)
            record.row.enabled = isEnabled ?? record.row.enabled
            record.row.whenGone = whenGone ?? record.row.whenGone
            let wantsAttachment =
                record.row.enabled && isEnabled == true
                && (record.attachment == nil || record.row.state == .failed)
            if record.row == old.row && !wantsAttachment {
                return ProbeOutcome(probe: view(of: old), changed: false, created: false)
            }
            if wantsAttachment {
                let (loaded, _) = try loadedFunction(program, record.row.function)
                if isDryRun {
                    var row = record.row
                    row.pin = Names.makeLinkPin()
                    return try rehearse(row, record.attach, loaded, isNew: false)
                }
                record = try exchanged(record, loaded, old: old, origin)
            } else {
                var retired: Attachment?
                if !record.row.enabled {
                    retired = record.attachment
                    record.attachment = nil
                    record.row.linkIDs = []
                    record.row.state = .active
                    record.row.problem = nil
                }
                if isDryRun {
                    return ProbeOutcome(probe: view(of: record), changed: true, created: false)
                }
                record = try commitProbe(record, retiring: retired, origin)
            }
            return ProbeOutcome(probe: view(of: record), changed: true, created: false)
        }
    }

    func commitProbe(
        _ record: ProbeRecord, retiring retired: Attachment?, _ origin: ChangeOrigin
    ) throws(Problem) -> ProbeRecord {
        let row = record.row
        let bootID = bootID
        let now = Clock.realtimeNanoseconds()
        let isRemoval = record.attachment == nil
        let revision = try commit(origin, subject: "probes/\(row.id)", isRemoval: isRemoval) {
            transaction in
            try transaction.put(row)
            try transaction.removeIntent(row.pin)
            if let retired {
                try transaction.put(
                    IntentRow(
                        name: retired.pin, kind: .link, subject: row.id, bootID: bootID,
                        startedAtNanoseconds: now))
            }
        }
        var committed = record
        committed.row.revision = revision
        let shown = committed
        state.withLock { $0.probes[row.id] = shown }
        if let retired {
            for failure in detachAll([retired]) {
                throw Problem(failure, while: "detach the old link of \(row.id)")
            }
            forget([retired.pin])
        }
        return committed
    }

    /// Detaches and forgets probes: one by id, or all of a program.
    ///
    /// Returns once the kernel's links are gone.
    /// - Returns: the ids; empty where there were none.
    public func deleteProbes(
        _ ids: [String], ofProgram program: String, _ conditions: Conditions, isDryRun: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) -> [String] {
        try locks.withLock([program]) { () throws(Problem) in
            let records = state.withLock { state in ids.compactMap { state.probes[$0] } }
            for record in records {
                try conditions.check(record.row.revision, of: "Probe \(record.row.id)")
            }
            guard !records.isEmpty, !isDryRun else { return records.map(\.row.id) }
            let rows = records.map { record in
                var row = record.row
                row.state = .deleting
                return row
            }
            let subject = rows.count == 1 ? "probes/\(rows[0].id)" : "programs/\(program)/probes"
            _ = try commit(origin, subject: subject, isRemoval: true) { transaction in
                for row in rows { try transaction.put(row) }
            }
            state.withLock { state in
                for row in rows {
                    state.probes[row.id] = nil
                    state.owners.forget(probe: row.id)
                }
            }
            try finishDelete(rows, records.compactMap(\.attachment))
            return rows.map(\.id)
        }
    }

    /// The second half, which a start after a crash runs again.
    func finishDelete(_ rows: [ProbeRow], _ attachments: [Attachment]) throws(Problem) {
        for failure in detachAll(attachments) {
            throw Problem(failure, while: "detach \(rows.map(\.id).joined(separator: ", "))")
        }
        for row in rows {
            do { try removePins(row.pin, links: row.linkIDs) } catch {
                throw Problem(error, while: "unpin \(row.id)")
            }
        }
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "detached")
        let subject = rows.map { "probes/\($0.id)" }.joined(separator: " ")
        _ = try commit(origin, subject: subject, isRemoval: true) {
            for row in rows { try $0.removeProbe(row.id) }
        }
    }

    func loadedFunction(_ program: String, _ function: String) throws(Problem)
        -> (LoadedProgram, LoadReport.Function)
    {
        guard let record = state.withLock({ $0.programs[program] }) else {
            throw Problem(.notFound, "There is no program \(program).", pointer: "/program")
        }
        guard let loaded = record.loaded else {
            throw Problem(
                .conflict,
                "Program \(program) is not loaded: its state is failed, see its problem.",
                pointer: "/program")
        }
        guard let found = loaded.report.functions.first(where: { $0.name == function }) else {
            let near = NearMatches.find(function, among: loaded.report.functions.map(\.name))
            throw Problem(
                .notFound, "Program \(program) has no function \(function).", pointer: "/function",
                hint: near.isEmpty ? nil : "It has " + near.joined(separator: ", ") + ".")
        }
        return (loaded, found)
    }

    func takenProbeIDs() -> Set<String> { state.withLock { Set($0.probes.keys) } }

    func freeProbeID(_ wanted: String, taken: Set<String>) -> String {
        guard taken.contains(wanted) else { return wanted }
        var number = 2
        while taken.contains("\(wanted)-\(number)") { number += 1 }
        return "\(wanted)-\(number)"
    }
}
