internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Registry

extension ApplyRun {
    /// One entry that is to be written, or with no value deleted.
    struct Write {
        var key: JSONValue
        var entry: JSONObject?
        var place: JSONPointer
    }

    /// Writes the declared entries that are not there already.
    func fill(_ contents: Manifest.Contents) throws(Problem) {
        let program = try loaded(contents.program)
        guard let map = program.maps[contents.map] else {
            let near = NearMatches.find(contents.map, among: Array(program.maps.keys))
            throw Problem(
                .notFound, "Program \(contents.program) has no map \(contents.map).",
                pointer: "/map",
                hint: near.isEmpty ? nil : "It has " + near.joined(separator: ", ") + ".")
        }
        try map.require(.write)
        let bytes = try node.bytes(map, EntryStyle())
        defer { bytes.objects?.release() }
        let known = declared(contents.program, contents.map)
        var writes: [Write] = []
        var differences: [Difference] = []
        var keys: Set<String> = []
        for (index, entry) in contents.entries.enumerated() {
            let place = JSONPointer.root.appending("entries").appending(index)
            let key = try self.key(of: entry, bytes, place)
            let text = Self.text(key, bytes)
            guard keys.insert(text).inserted else {
                throw Problem(
                    .invalidMember,
                    "The key \(text) stands twice in the entries of \(contents.name).",
                    pointer: place.appending("key").description)
            }
            filled.insert(contents.name + " " + text)
            try checkOwner(
                known[text]?.owner, "entry \(text) of map \(contents.name)", place.appending("key"))
            let before = try present(key, map, bytes, known[text])
            let value = try bytes.value(entry, at: place)
            if !isDeclared(value, by: known[text], bytes) {
                declare(entry, text, contents, known[text])
            }
            if try isSame(before, entry, value, key, bytes) { continue }
            writes.append(Write(key: entry["key"] ?? .null, entry: entry, place: place))
            differences.append(
                Difference(
                    .root.appending("entries").appending(text), shown(key, before, bytes),
                    entry["value"] ?? entry["values"]))
        }
        if contents.isExact {
            try others(than: keys, known, map, bytes, &writes, &differences)
        }
        try write(writes, map, contents)
        note(change(contents, differences))
    }

    private func change(_ contents: Manifest.Contents, _ differences: [Difference])
        -> PlannedChange
    {
        if differences.isEmpty {
            return PlannedChange(
                .none, .map, contents.name, "All \(contents.entries.count) entries are as declared."
            )
        }
        let isNew = staged[contents.program] != nil
        return PlannedChange(
            isNew ? .create : .replace, .map, contents.name,
            isNew
                ? "Program \(contents.program) is loaded anew: its maps are filled."
                : "\(differences.count) entries are not as declared.", differences)
    }

    private func declared(_ program: String, _ map: String) -> [String: DeclaredEntryRow] {
        let rows = declared.filter { $0.program == program && $0.map == map }
        return Dictionary(rows.map { ($0.key, $0) }, uniquingKeysWith: { one, _ in one })
    }

    private func declare(
        _ entry: JSONObject, _ key: String, _ contents: Manifest.Contents,
        _ known: DeclaredEntryRow?
    ) {
        let row = DeclaredEntryRow(
            program: contents.program, map: contents.map, key: key,
            document: String(decoding: JSONValue.object(entry).serialized(), as: UTF8.self),
            owner: manifest.owner)
        if row != known { entryRows.append(row) }
    }

    /// Whether this owner has declared the same value, in whatever words.
    private func isDeclared(_ value: [UInt8], by known: DeclaredEntryRow?, _ bytes: MapBytes)
        -> Bool
    {
        guard let known, known.owner == manifest.owner, bytes.objects?.hasObjectValues != true,
            // Written by this daemon, and for a map of other types by now maybe.
            let entry = try? JSONValue.parse(known.document).object,
            let declared = try? bytes.value(entry, at: .root)
        else { return false }
        return declared == value
    }

    private func key(of entry: JSONObject, _ bytes: MapBytes, _ place: JSONPointer)
        throws(Problem) -> EntryKey
    {
        for member in entry where !["key", "value", "values"].contains(member.name) {
            throw Problem(
                .unknownMember,
                "An entry has \"key\" and \"value\" or \"values\", not \"\(member.name)\".",
                pointer: place.appending(member.name).description)
        }
        guard let key = entry["key"] else {
            throw Problem(
                .invalidMember, "An entry is {\"key\":…,\"value\":…}.",
                pointer: place.appending("key").description)
        }
        return try bytes.key(key, at: place.appending("key"))
    }

    /// The key's JSON text, as answers show it.
    private static func text(_ key: EntryKey, _ bytes: MapBytes) -> String {
        if let shown = key.shown { return String(decoding: shown.serialized(), as: UTF8.self) }
        var json = JSONWriter(capacity: 64)
        bytes.writeKey(key.bytes.span, to: &json)
        return String(decoding: json.bytes(), as: UTF8.self)
    }

    /// The value now; of what the kernel does not show the declared one is taken for it.
    private func present(
        _ key: EntryKey, _ map: LoadedMap, _ bytes: MapBytes, _ known: DeclaredEntryRow?
    ) throws(Problem) -> [UInt8]? {
        try map.present(key)
    }

    private func isSame(
        _ before: [UInt8]?, _ entry: JSONObject, _ value: [UInt8], _ key: EntryKey,
        _ bytes: MapBytes
    ) throws(Problem) -> Bool {
        guard let before else { return false }
        // Values of objects are descriptors on the way in and ids on the way out.
        guard let objects = bytes.objects, objects.hasObjectValues else { return before == value }
        guard objects.isReadable else {
            let text = Self.text(key, bytes)
            return declared.contains { row in
                row.program == bytes.map.program && row.map == bytes.map.name && row.key == text
                    && row.document
                        == String(decoding: JSONValue.object(entry).serialized(), as: UTF8.self)
            }
        }
        return shown(key, before, bytes) == entry["value"]
    }

    /// A value as answers show it.
    func shown(_ key: EntryKey, _ value: [UInt8]?, _ bytes: MapBytes) -> JSONValue? {
        guard let value else { return nil }
        var json = JSONWriter(capacity: 256)
        bytes.write(key: key, value: value, to: &json)
        let document: JSONValue
        let text = json.bytes()
        // What the writer wrote is JSON.
        do { document = try JSONValue.parse(text.span) } catch { document = .null }
        return document["value"] ?? document["values"]
    }

    /// Of a map that is to have the declared entries and no others: the others.
    private func others(
        than keys: Set<String>, _ known: [String: DeclaredEntryRow], _ map: LoadedMap,
        _ bytes: MapBytes, _ writes: inout [Write], _ differences: inout [Difference]
    ) throws(Problem) {
        try map.require(.iterate)
        try map.require(.delete)
        for (key, row) in known.sorted(by: { $0.key < $1.key }) where !keys.contains(key) {
            try checkOwner(
                row.owner, "entry \(key) of map \(map.path)", JSONPointer.root.appending("exact"))
            // Declared before, and gone with the others.
            if !manifest.prunes { prunedEntries.append(row) }
        }
        exactMaps.insert(map.path)
        var walk = EntryWalk(map.map)
        do throws(BPFError) {
            while try walk.fetch() {
                for index in 0..<walk.count {
                    let key = EntryKey(bytes: Array(walk.keys[walk.keyRange(index)]))
                    let text = Self.text(key, bytes)
                    if keys.contains(text) { continue }
                    let value = Array(walk.values[walk.valueRange(index)])
                    writes.append(
                        Write(
                            key: .string("hex:" + Hex.encode(key.bytes.span)), entry: nil,
                            place: .root))
                    differences.append(
                        Difference(
                            .root.appending("entries").appending(text), shown(key, value, bytes),
                            nil))
                }
                guard writes.count <= Manifest.entryLimit else { break }
            }
        } catch {
            throw map.refused(error, while: "read the entries")
        }
        guard writes.count <= Manifest.entryLimit else {
            throw Problem(
                .invalidMember,
                "Map \(map.path) has more than \(Manifest.entryLimit) entries that are not "
                    + "declared: clear it first, or leave out \"exact\".", pointer: "/exact")
        }
    }

    // MARK: Writing

    func write(_ writes: [Write], _ map: LoadedMap, _ contents: Manifest.Contents)
        throws(Problem)
    {
        guard !isDryRun, !writes.isEmpty else { return }
        let bytes = try node.bytes(map, EntryStyle())
        defer { bytes.objects?.release() }
        try noteUndo(writes, map, bytes)
        for write in writes {
            let key = try bytes.key(write.key, at: write.place.appending("key"))
            if let entry = write.entry {
                let value = try bytes.value(entry, at: write.place)
                do throws(Problem) { try map.write(key, value, .any) } catch {
                    var problem = error
                    problem.pointer = write.place.description
                    throw problem
                }
            } else {
                try map.remove(key)
            }
            bytes.objects?.release()
            fault(.afterEntry)
        }
    }
}

extension LoadedMap {
    /// Deletes an entry; one of an array is set to zero.
    func remove(_ key: EntryKey) throws(Problem) {
        do throws(BPFError) {
            if map.info.type.isArray {
                try map.update(
                    key.bytes.span, [UInt8](repeating: 0, count: map.lookupBytes).span, .any)
            } else {
                _ = try map.delete(key.bytes.span)
            }
        } catch {
            throw refused(error, while: "delete an entry")
        }
    }
}
