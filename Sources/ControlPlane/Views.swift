public import BPF
internal import JSON
public import Loading
public import Problems
public import Registry

/// A program as it is shown: what is registered beside what the kernel holds.
public struct ProgramView: Sendable {
    public struct Function: Sendable {
        public var report: LoadReport.Function
        public var kernelID: UInt32?
        public var probes: [String]
    }

    public let row: ProgramRow
    public let report: LoadReport
    let loaded: LoadedProgram?
    public let functions: [Function]
    /// Whose manifest declares it; nil where none does.
    public let owner: String?

    init(
        row: ProgramRow, report: LoadReport, loaded: LoadedProgram?, probes: [ProbeRow],
        owner: String? = nil
    ) {
        self.owner = owner
        self.row = row
        self.report = report
        self.loaded = loaded
        functions = report.functions.map { function in
            Function(
                report: function, kernelID: loaded?.kernelIDs[function.name],
                probes: probes.filter { $0.function == function.name }.map(\.id))
        }
    }

    /// What the kernel tells of a function now; nil where the program is not loaded.
    public func info(of function: String) throws(Problem) -> ProgramInfo? {
        guard let program = loaded?.functions[function] else { return nil }
        do { return try program.info() } catch {
            throw Problem(error, while: "tell about \(row.name).\(function)")
        }
    }

    public var maps: [MapView] {
        report.maps.compactMap { entry in
            loaded?.maps[entry.name].map { MapView(loaded: $0, revision: row.revision) }
        }
    }
}

/// A probe as it is shown.
public struct ProbeView: Sendable {
    public enum State: String, Sendable { case attached, disabled, failed }

    public let row: ProbeRow
    public let attach: AttachDocument
    public let link: LinkInfo?
    /// Ids of all its links; none where the kernel makes none for the kind.
    public let linkIDs: [UInt32]
    public let isPinned: Bool
    /// The function's counters; nil where it is not attached.
    public let program: ProgramInfo?
    /// Whose manifest declares it; nil where none does.
    public let owner: String?
    /// What a dry run would make of it: it was attached for a moment.
    let isRehearsal: Bool

    public var state: State {
        guard row.enabled else { return .disabled }
        if isRehearsal { return .attached }
        return link != nil && row.state == .active ? .attached : .failed
    }
}

/// A map of a loaded program, as it is shown.
public struct MapView: Sendable {
    let loaded: LoadedMap
    /// Its program's.
    public let revision: Int64

    public var program: String { loaded.program }
    public var name: String { loaded.name }
    public var info: MapInfo { loaded.map.info }
    /// `BPF_F_…` of its creation.
    public var flags: UInt32 { loaded.flags }
    /// As C writes it; nil without BTF.
    public var keyType: String? { loaded.hasKeyType ? loaded.keyPlan.typeName : nil }
    public var valueType: String? { loaded.hasValueType ? loaded.valuePlan.typeName : nil }
    /// Whether its values are maps or programs, of whatever program.
    public var holdsObjects: Bool { MapObjects.areValues(of: loaded) }
    /// Whether no client can change it any more; nil where the kernel does not tell.
    public var isFrozen: Bool? { loaded.map.isFrozen }
    /// What can be done with its entries, by its type and its flags.
    public var uses: [MapUse] {
        let isFrozen = isFrozen == true
        return MapUse.allCases.filter { use in
            do { try loaded.require(use) } catch { return false }
            return !(isFrozen && use.isChange)
        }
    }
    /// Bytes of kernel memory, as the kernel accounts them.
    public var memoryBytes: Int? { loaded.map.memoryBytes() }
}

extension Node {
    /// All programs, by name.
    public func programs() -> [ProgramView] {
        let (records, probes) = state.withLock { state in
            (state.programs.values.sorted { $0.row.name < $1.row.name }, state.probes)
        }
        let rows = probes.values.map(\.row).sorted {
            ($0.createdAtNanoseconds, $0.id) < ($1.createdAtNanoseconds, $1.id)
        }
        return records.map { view(of: $0, rows) }
    }

    /// - Throws: `not_found`.
    public func program(_ name: String) throws(Problem) -> ProgramView {
        let record = state.withLock { $0.programs[name] }
        guard let record else { throw Problem(.notFound, "There is no program \(name).") }
        return view(of: record)
    }

    /// All probes, by id.
    public func probes() -> [ProbeView] {
        state.withLock { $0.probes.values.sorted { $0.row.id < $1.row.id } }
            .map { view(of: $0) }
    }

    /// - Throws: `not_found`.
    public func probe(_ id: String) throws(Problem) -> ProbeView {
        let record = state.withLock { $0.probes[id] }
        guard let record else { throw Problem(.notFound, "There is no probe \(id).") }
        return view(of: record)
    }

    func probeRecords(of program: String) -> [ProbeRecord] {
        state.withLock { state in
            state.probes.values.filter { $0.row.program == program }
        }.sorted {
            ($0.row.createdAtNanoseconds, $0.row.id) < ($1.row.createdAtNanoseconds, $1.row.id)
        }
    }

    func view(of record: ProgramRecord) -> ProgramView {
        view(of: record, probeRecords(of: record.row.name).map(\.row))
    }

    private func view(of record: ProgramRecord, _ probes: [ProbeRow]) -> ProgramView {
        ProgramView(
            row: record.row, report: record.loaded?.report ?? report(of: record.row),
            loaded: record.loaded, probes: probes.filter { $0.program == record.row.name },
            owner: state.withLock { $0.owners.programs[record.row.name] })
    }

    /// What the loader once reported, for a program that is not loaded now.
    func report(of row: ProgramRow) -> LoadReport {
        let document: JSONValue
        do { document = try JSONValue.parse(row.report) } catch { document = .null }
        return LoadReport(json: document)
            ?? LoadReport(
                license: "", functions: [], maps: [], globals: [], eventTypes: [],
                libbpfVersion: "")
    }

    func view(of record: ProbeRecord, isRehearsal: Bool = false) -> ProbeView {
        let program = state.withLock { $0.programs[record.row.program]?.loaded }
        let info: ProgramInfo?
        // Counters are decoration here: a probe is shown without them rather than not at all.
        do { info = try program?.functions[record.row.function]?.info() } catch { info = nil }
        return ProbeView(
            row: record.row, attach: record.attach, link: record.attachment?.info,
            linkIDs: record.attachment?.linkIDs ?? [],
            isPinned: record.attachment?.isPinned ?? false,
            program: record.attachment == nil ? nil : info,
            owner: state.withLock { $0.owners.probes[record.row.id] }, isRehearsal: isRehearsal)
    }
}
