internal import BPF
internal import Events
internal import JSON
internal import Linux
internal import Loading
public import Problems
public import Registry

/// What a change of a program came to.
public struct ProgramOutcome: Sendable {
    public var program: ProgramView
    public var changed: Bool
    public var created: Bool
    /// Probes that were moved from the old load to the new one.
    public var replaced: [ReplacedProbe] = []
}

/// How a probe went over to a new load of its program.
public struct ReplacedProbe: Sendable, Hashable {
    public var id: String
    /// True where the kernel exchanged the program under the link.
    public var atomic: Bool
    /// How long both the old and the new link were attached.
    public var overlapNanoseconds: UInt64
}

/// One request to load or replace.
public struct ProgramChange: Sendable {
    public var name: String
    public var object: UploadedObject
    public var options: ProgramOptions
    public var conditions: Conditions
    public var isDryRun: Bool

    public init(
        name: String, object: UploadedObject, options: ProgramOptions, conditions: Conditions,
        isDryRun: Bool
    ) {
        self.name = name
        self.object = object
        self.options = options
        self.conditions = conditions
        self.isDryRun = isDryRun
    }
}

extension Node {
    /// Loads a program under a name, or replaces the one there. Blocks for as long as the verifier
    /// needs.
    ///
    /// The same object and options again touch nothing. A failed load or replacement leaves what
    /// was there as it was.
    public func putProgram(_ change: ProgramChange, _ origin: ChangeOrigin) throws(Problem)
        -> ProgramOutcome
    {
        try Names.check(change.name, "program name")
        do {
            return try locks.withLock([change.name]) { () throws(Problem) in
                try quotaTurns.run { () throws(Problem) in try putLocked(change, origin) }
            }
        } catch {
            if !change.isDryRun { noteRefusal(error, origin, subject: "programs/\(change.name)") }
            throw error
        }
    }

    private func putLocked(_ change: ProgramChange, _ origin: ChangeOrigin) throws(Problem)
        -> ProgramOutcome
    {
        let old = state.withLock { $0.programs[change.name] }
        try change.conditions.check(old?.row.revision, of: "Program \(change.name)")
        if let old, let loaded = old.loaded, old.row.digest == change.object.digest,
            old.row.options == change.options.canonicalText,
            !hasStaleMaps(loaded, change.options)
        {
            return try reassert(change, old, loaded, origin)
        }
        if change.isDryRun { return try rehearse(change, old) }
        return try load(change, replacing: old, origin)
    }

    /// The same load again: at most labels differ, or a probe of `attach: auto` is missing.
    private func reassert(
        _ change: ProgramChange, _ old: ProgramRecord, _ loaded: LoadedProgram,
        _ origin: ChangeOrigin
    ) throws(Problem) -> ProgramOutcome {
        let present = probeRecords(of: change.name)
        let attached = Set(present.map(\.row.function))
        let missing =
            change.options.attach == .auto
            ? try AttachDocument.bySection(
                loaded.report.functions.filter { !attached.contains($0.name) },
                beside: present.map(\.attach)
            ).map(\.function) : []
        if missing.isEmpty && old.row.labels == change.options.labels {
            return ProgramOutcome(program: view(of: old), changed: false, created: false)
        }
        var record = old
        record.row.labels = change.options.labels
        if change.isDryRun {
            return ProgramOutcome(program: view(of: record), changed: true, created: false)
        }
        let probes = try attachBySection(
            missing, of: loaded, beside: present, taken: takenProbeIDs())
        do {
            try commitLoad(&record, probes, retiring: [], origin)
        } catch {
            undo(probes)
            throw error
        }
        return ProgramOutcome(program: view(of: record), changed: true, created: false)
    }

    private func rehearse(_ change: ProgramChange, _ old: ProgramRecord?) throws(Problem)
        -> ProgramOutcome
    {
        let report: LoadReport
        var request = try request(
            for: change.options, name: change.name, pinDirectory: nil)
        try admitLoad(change.name, &request)
        do {
            report = try configuration.loader.load(change.object.file, request)
        } catch { throw refusal(of: error) }
        if change.options.attach == .auto {
            _ = try AttachDocument.bySection(report.functions)
        }
        let row = row(for: change, loadID: "", report: report)
        return ProgramOutcome(
            program: ProgramView(row: row, report: report, loaded: nil, probes: []), changed: true,
            created: old == nil)
    }

    func row(for change: ProgramChange, loadID: String, report: LoadReport) -> ProgramRow {
        ProgramRow(
            name: change.name, digest: change.object.digest, sizeBytes: change.object.size,
            options: change.options.canonicalText, labels: change.options.labels, state: .active,
            loadID: loadID, bootID: bootID,
            report: String(decoding: report.json.serialized(), as: UTF8.self),
            loadedAtNanoseconds: Clock.realtimeNanoseconds())
    }

    private func load(
        _ change: ProgramChange, replacing old: ProgramRecord?, _ origin: ChangeOrigin
    ) throws(Problem) -> ProgramOutcome {
        let loadID = Names.makeLoadID()
        objectHolds.take(change.object.digest)
        defer { objectHolds.give(change.object.digest) }
        try intend([loadID], .load, subject: change.name)
        do throws(Problem) {
            let loaded = try loadIntoKernel(
                change.object, change.options, name: change.name, loadID: loadID)
            try keep(change.object)
            // A record type that does not exist is the request's mistake: told before anything
            // moves.
            try loaded.checkEvents(change.options)
            try checkPersistence(change.options, loaded)
            var record = ProgramRecord(
                row: row(for: change, loadID: loadID, report: loaded.report), loaded: loaded)
            record.row.kernelIDs = PinnedIDs(loaded).text
            let before = probeRecords(of: change.name)
            let (probes, replaced) = try attachAll(change, loaded, moving: before)
            let links = before.compactMap(\.attachment).filter { link in
                !probes.contains { $0.attachment === link }
            }
            do {
                let retired = links.map(\.pin) + [old?.row.loadID].compactMap { $0 }
                try commitLoad(&record, probes, retiring: retired, origin, isNew: true)
            } catch {
                undo(probes, before: before)
                throw error
            }
            retire(old?.row.loadID, links, for: record)
            return ProgramOutcome(
                program: view(of: record), changed: true, created: old == nil, replaced: replaced)
        } catch {
            removeLoad(loadID)
            forget([loadID])
            throw error
        }
    }

    func loadIntoKernel(
        _ object: UploadedObject, _ options: ProgramOptions, name: String, loadID: String
    ) throws(Problem) -> LoadedProgram {
        let directory = configuration.bpffsDirectory + "/" + loadID
        var request = try request(for: options, name: name, pinDirectory: directory)
        try admitLoad(name, &request)
        do { try FileSystem.makeDirectory(directory) } catch {
            throw Problem(error, while: "make \(directory)")
        }
        let report: LoadReport
        do {
            report = try configuration.loader.load(object.file, request)
        } catch { throw refusal(of: error) }
        do {
            let loaded = try LoadedProgram(name: name, directory: directory, report: report)
            settleLoad(loaded)
            return loaded
        } catch {
            throw Problem(error, while: "open the pins of \(name)")
        }
    }
}
