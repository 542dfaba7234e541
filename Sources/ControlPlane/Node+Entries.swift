internal import BPF
public import JSON
internal import Loading
public import Problems

/// How an entry may be written (`bpf_map_update_elem`'s flags).
public enum EntryMode: String, Sendable, CaseIterable { case any, create, update }

/// How keys and values appear in an answer.
public struct EntryStyle: Sendable, Hashable {
    public var encoding: EntryEncoding
    public var int64: Int64Style

    public init(encoding: EntryEncoding = .typed, int64: Int64Style = .number) {
        self.encoding = encoding
        self.int64 = int64
    }
}

/// A page of entries as JSON text.
public struct EntryPage: Sendable {
    /// `{"key":…,"value":…},…` without the brackets around.
    public var items: [UInt8]
    /// The cursor of the next page; nil at the end.
    public var nextCursor: String?
}

extension Node {
    /// All maps of loaded programs, by program and name.
    public func maps() -> [MapView] { programs().flatMap(\.maps) }

    /// - Throws: `not_found`, naming what is missing.
    public func map(_ program: String, _ name: String) throws(Problem) -> MapView {
        let record = state.withLock { $0.programs[program] }
        guard let record else { throw Problem(.notFound, "There is no program \(program).") }
        guard let loaded = record.loaded?.maps[name] else {
            let near = NearMatches.find(
                name, among: record.loaded.map { Array($0.maps.keys) } ?? [])
            throw Problem(
                .notFound, "Program \(program) has no map \(name).",
                hint: near.isEmpty ? nil : "It has " + near.joined(separator: ", ") + ".")
        }
        return MapView(loaded: loaded, revision: record.row.revision)
    }

    /// One entry as JSON text. One lookup, no wait: fit for an HTTP thread.
    /// - Throws: `not_found`; `size_mismatch`, `invalid_value` for the key.
    public func entry(_ view: MapView, key text: String, _ style: EntryStyle) throws(Problem)
        -> [UInt8]
    {
        try checkKeyed(view.loaded)
        let bytes = MapBytes(map: view.loaded, encoding: style.encoding)
        let key = try bytes.key(inURL: text)
        let value: [UInt8]?
        do { value = try view.loaded.map.lookup(key.span) } catch {
            throw refused(error, view.loaded, while: "read an entry")
        }
        guard let value else { throw noEntry(view.loaded, text) }
        var json = JSONWriter(capacity: 256, int64: style.int64)
        bytes.write(key: key, value: value, to: &json)
        json.raw("\n")
        return json.bytes()
    }

    /// Writes one entry.
    /// - Parameter document: `{"value":…}` or `{"values":[…]}`.
    /// - Returns: the entry as it now is, without its closing brace; whether there was none before,
    ///   and whether the bytes are others now.
    public func putEntry(
        _ view: MapView, key text: String, _ document: JSONObject, _ mode: EntryMode,
        _ style: EntryStyle, isDryRun: Bool
    ) throws(Problem) -> (entry: [UInt8], created: Bool, changed: Bool) {
        try checkKeyed(view.loaded)
        let map = view.loaded.map
        let bytes = MapBytes(map: view.loaded, encoding: style.encoding)
        for member in document.members where !["value", "values"].contains(member.name) {
            throw Problem(
                .unknownMember, "An entry has \"value\" or \"values\", not \"\(member.name)\".",
                pointer: JSONPointer.root.appending(member.name).description)
        }
        let key = try bytes.key(inURL: text)
        let value = try bytes.value(document, at: .root)
        do {
            let before = try map.lookup(key.span)
            let existed = before != nil
            if mode == .update && !existed { throw noEntry(view.loaded, text) }
            if mode == .create && existed { throw exists(view.loaded, text) }
            if !isDryRun {
                let flags: Map.UpdateMode =
                    switch mode {
                    case .any: .any
                    case .create: .create
                    case .update: .update
                    }
                try map.update(key.span, value.span, flags)
            }
            var json = JSONWriter(capacity: 256, int64: style.int64)
            bytes.write(key: key, value: value, to: &json)
            return (Array(json.bytes().dropLast()), !existed, before != value)
        } catch let error as BPFError {
            throw refused(error, view.loaded, while: "write an entry")
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(.internalError, "Writing an entry: \(error).", cause: error)
        }
    }

    /// - Returns: false where there was no such entry.
    public func deleteEntry(
        _ view: MapView, key text: String, _ style: EntryStyle, isDryRun: Bool
    ) throws(Problem) -> Bool {
        try checkKeyed(view.loaded)
        let map = view.loaded.map
        if map.info.type.isArray {
            throw Problem(
                .unsupportedMapOperation,
                "Map \(view.name) is of type \(map.info.type.name), whose entries cannot be "
                    + "deleted: "
                    + "write zeros instead.")
        }
        let key = try MapBytes(map: view.loaded, encoding: style.encoding).key(inURL: text)
        do {
            if isDryRun { return try map.lookup(key.span) != nil }
            return try map.delete(key.span)
        } catch {
            throw refused(error, view.loaded, while: "delete an entry")
        }
    }

    /// At most `limit` entries after the one that `cursor` names, in the kernel's order. Entries
    /// that are added or deleted meanwhile may be in a page or not; a deleted cursor key begins
    /// again.
    public func entries(
        _ view: MapView, after cursor: String?, limit: Int, _ style: EntryStyle
    ) throws(Problem) -> EntryPage {
        try checkKeyed(view.loaded)
        let map = view.loaded.map
        let bytes = MapBytes(map: view.loaded, encoding: style.encoding)
        var key: [UInt8]?
        if let cursor {
            guard let decoded = Hex.decode(cursor[...]), decoded.count == map.info.keySize else {
                throw Problem(
                    .invalidCursor, "\"\(cursor)\" is not a cursor of this map's entries.")
            }
            key = decoded
        }
        var json = JSONWriter(capacity: 16 << 10, int64: style.int64)
        var count = 0
        var last: [UInt8]?
        do {
            while let next = try map.nextKey(after: key) {
                if count == limit {
                    return EntryPage(
                        items: json.bytes(), nextCursor: last.map { Hex.encode($0.span) })
                }
                key = next
                guard let value = try map.lookup(next.span) else { continue }
                if count > 0 { json.raw(",") }
                bytes.write(key: next, value: value, to: &json)
                count += 1
                last = next
            }
        } catch {
            throw refused(error, view.loaded, while: "read the entries")
        }
        return EntryPage(items: json.bytes(), nextCursor: nil)
    }

    private func checkKeyed(_ map: LoadedMap) throws(Problem) {
        let info = map.map.info
        guard info.keySize == 0 || info.type == .ringbuf else { return }
        let place =
            info.type == .ringbuf
            ? ": its records are at /v1/events?program=\(map.program)&map=\(map.name)" : ""
        throw Problem(
            .unsupportedMapOperation,
            "Map \(map.name) is of type \(info.type.name), which has no keyed entries\(place).")
    }

    private func noEntry(_ map: LoadedMap, _ key: String) -> Problem {
        Problem(.notFound, "Map \(map.program)/\(map.name) has no entry \(key).")
    }

    private func exists(_ map: LoadedMap, _ key: String) -> Problem {
        Problem(
            .alreadyExists,
            "Map \(map.program)/\(map.name) has an entry \(key), and mode=create wants none.")
    }

    private func refused(_ error: BPFError, _ map: LoadedMap, while action: String) -> Problem {
        Problem(
            error, map: "\(map.program)/\(map.name)", entries: map.map.info.maxEntries,
            while: action)
    }
}
