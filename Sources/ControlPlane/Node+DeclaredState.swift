public import JSON
public import Problems
internal import Registry

/// Which map contents `declaredState` gives.
public enum StateContents: String, Sendable, CaseIterable {
    /// The entries that manifests declare, with the values that they have now.
    case declared
    /// All entries of all maps that can be walked and written.
    case all
    case none
}

extension Node {
    /// A manifest of what is there: applied to a host without it, it makes the same.
    /// - Parameter owner: only what this owner has declared; nil: all programs and probes, whoever
    ///   made them, without an owner.
    /// - Throws: `invalid_parameter` where all contents are more entries than a manifest may have.
    public func declaredState(ofOwner owner: String?, _ contents: StateContents) throws(Problem)
        -> JSONObject
    {
        let (programs, probes, owners) = state.withLock { ($0.programs, $0.probes, $0.owners) }
        let shownPrograms = programs.values.filter { record in
            owner == nil || owners.programs[record.row.name] == owner
        }.sorted { $0.row.name < $1.row.name }
        let shownProbes = probes.values.filter { record in
            owner == nil || owners.probes[record.row.id] == owner
        }.sorted {
            ($0.row.createdAtNanoseconds, $0.row.id) < ($1.row.createdAtNanoseconds, $1.row.id)
        }
        var document = JSONObject()
        if let owner { document["owner"] = .string(owner) }
        var documents: [JSONValue] = []
        for row in dependenciesFirst(shownPrograms.map(\.row)) {
            documents.append(.object(try self.document(ofProgram: row)))
        }
        document["programs"] = .array(documents)
        document["probes"] = .array(
            shownProbes.filter { !isImplied($0, programs, owners) }.map {
                .object(Self.document(of: $0))
            })
        document["maps"] = .array(try maps(ofOwner: owner, shownPrograms, contents))
        return document
    }

    /// The options are kept in the form in which a request gives them. Variables are as they were
    /// set last.
    private func document(ofProgram row: ProgramRow) throws(Problem) -> JSONObject {
        var document = JSONObject()
        document["name"] = .string(row.name)
        document["object"] = ["digest": .string(row.digest)]
        let options: JSONObject?
        // What this release cannot read, it cannot declare either.
        do { options = try JSONValue.parse(row.options).object } catch { options = nil }
        for member in options ?? JSONObject() {
            var value = Self.withoutEmpty(member.value)
            if member.name == "globals" { value = try globals(value.object, of: row.name) }
            if let object = value.object, object.isEmpty { continue }
            document[member.name] = value
        }
        document["labels"] = Self.labels(row.labels)
        return document
    }

    private func globals(_ declared: JSONObject?, of program: String) throws(Problem)
        -> JSONValue
    {
        var globals = declared ?? JSONObject()
        do {
            for (name, value) in try variablesSet(of: program).sorted(by: { $0.key < $1.key }) {
                globals[name] = value
            }
        } catch {
            throw Problem(error, while: "read what variables were set to")
        }
        return .object(globals)
    }

    private static func withoutEmpty(_ value: JSONValue) -> JSONValue {
        guard let object = value.object else { return value }
        var kept = JSONObject()
        for member in object {
            if let inner = member.value.object, inner.isEmpty { continue }
            kept[member.name] = member.value
        }
        return .object(kept)
    }

    private static func document(of record: ProbeRecord) -> JSONObject {
        var document = JSONObject()
        document["id"] = .string(record.row.id)
        document["program"] = .string(record.row.program)
        document["function"] = .string(record.row.function)
        document["attach"] = .object(record.attach.json)
        document["enabled"] = .bool(record.row.enabled)
        document["labels"] = labels(record.row.labels)
        document["when_gone"] = .string(record.row.whenGone.rawValue)
        return document
    }

    private static func labels(_ labels: [String: String]) -> JSONValue {
        var document = JSONObject()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            document[name] = .string(value)
        }
        return .object(document)
    }

    /// Whether `attach: auto` of its program makes the same probe by itself.
    private func isImplied(
        _ record: ProbeRecord, _ programs: [String: ProgramRecord], _ owners: Owners
    ) -> Bool {
        guard owners.probes[record.row.id] == nil, record.row.enabled, record.row.labels.isEmpty,
            record.row.id == record.row.program + "." + record.row.function,
            let program = programs[record.row.program], let loaded = program.loaded,
            let function = loaded.report.functions.first(where: { $0.name == record.row.function })
        else { return false }
        do {
            return try ProgramOptions(canonicalText: program.row.options).attach == .auto
                && AttachDocument(JSONObject(), for: function, at: .root) == record.attach
        } catch {
            return false
        }
    }

    // MARK: Map contents

    private func maps(
        ofOwner owner: String?, _ programs: [ProgramRecord], _ contents: StateContents
    ) throws(Problem) -> [JSONValue] {
        switch contents {
        case .none: return []
        case .all: return try allEntries(programs)
        case .declared:
            let rows: [DeclaredEntryRow]
            do { rows = try registry.declaredEntries() } catch {
                throw Problem(error, while: "read what is declared")
            }
            return try declaredMaps(rows.filter { owner == nil || $0.owner == owner })
        }
    }

    private func declaredMaps(_ rows: [DeclaredEntryRow]) throws(Problem) -> [JSONValue] {
        var maps: [JSONValue] = []
        let groups = Dictionary(grouping: rows) { $0.program + "/" + $0.map }
        for (name, rows) in groups.sorted(by: { $0.key < $1.key }) {
            guard let first = rows.first,
                let map = state.withLock({ $0.programs[first.program]?.loaded })?.maps[first.map]
            else { continue }
            let bytes = try bytes(map, EntryStyle())
            defer { bytes.objects?.release() }
            var entries: [JSONValue] = []
            for row in rows {
                if let entry = try present(row, map, bytes) { entries.append(entry) }
            }
            maps.append(["map": .string(name), "entries": .array(entries)])
        }
        return maps
    }

    /// The declared entry with its present value; as declared where the kernel does not show it.
    private func present(_ row: DeclaredEntryRow, _ map: LoadedMap, _ bytes: MapBytes)
        throws(Problem) -> JSONValue?
    {
        let document: JSONValue
        // Written by this daemon.
        do { document = try JSONValue.parse(row.document) } catch { return nil }
        let isShown = map.canRead && bytes.objects?.isReadable != false
        guard isShown, let given = document["key"] else { return document }
        let key = try bytes.key(given, at: .root)
        defer { bytes.objects?.release() }
        guard let value = try map.present(key) else { return nil }
        var json = JSONWriter(capacity: 256)
        bytes.write(key: key, value: value, to: &json)
        let text = json.bytes()
        do { return try JSONValue.parse(text.span) } catch { return document }
    }

    private func allEntries(_ programs: [ProgramRecord]) throws(Problem) -> [JSONValue] {
        var maps: [JSONValue] = []
        var left = Manifest.entryLimit
        for record in programs {
            let loaded = record.loaded?.maps.values.sorted { $0.name < $1.name } ?? []
            // Sections of variables are the program's globals.
            for map in loaded where !map.name.hasPrefix(".") && map.isManifestable {
                guard let entries = try allEntries(of: map, limit: left) else { continue }
                left -= entries.count
                maps.append([
                    "map": .string(record.row.name + "/" + map.name), "entries": .array(entries),
                ])
            }
        }
        return maps
    }

    private func allEntries(of map: LoadedMap, limit: Int) throws(Problem) -> [JSONValue]? {
        let bytes = try bytes(map, EntryStyle())
        if bytes.objects?.isReadable == false { return nil }
        var walk = EntryWalk(map.map)
        var entries: [JSONValue] = []
        do {
            while try walk.fetch() {
                for index in 0..<walk.count {
                    guard entries.count < limit else { throw Self.tooManyEntries(map) }
                    let key = Array(walk.keys[walk.keyRange(index)])
                    let value = Array(walk.values[walk.valueRange(index)])
                    var json = JSONWriter(capacity: 256)
                    bytes.write(key: EntryKey(bytes: key), value: value, to: &json)
                    let text = json.bytes()
                    entries.append(try JSONValue.parse(text.span))
                }
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(
                .unsupportedMapOperation, "Map \(map.path) cannot be read whole: \(error).")
        }
        return entries
    }

    private static func tooManyEntries(_ map: LoadedMap) -> Problem {
        Problem(
            .invalidParameter,
            "With map \(map.path) there are more than \(Manifest.entryLimit) entries, the most of "
                + "a manifest: ask with contents=declared, and dump the map by itself.")
    }
}

extension LoadedMap {
    /// Whether a manifest can say what is in it.
    fileprivate var isManifestable: Bool {
        abilities.uses.isSuperset(of: [.read, .write, .iterate])
            && map.info.flags & (MapFlags.readOnly | MapFlags.writeOnly) == 0
            && map.isFrozen != true
    }
}
