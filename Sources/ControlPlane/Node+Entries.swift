internal import BPF
public import JSON
internal import Loading
public import Problems

/// How an entry may be written (`bpf_map_update_elem`'s flags).
public enum EntryMode: String, Sendable, CaseIterable {
    case any, create, update

    var flags: Map.UpdateMode {
        switch self {
        case .any: .any
        case .create: .create
        case .update: .update
        }
    }
}

/// How keys and values appear in an answer.
public struct EntryStyle: Sendable, Hashable {
    public var encoding: EntryEncoding
    public var int64: Int64Style
    public var cpu: CPUView

    public init(
        encoding: EntryEncoding = .typed, int64: Int64Style = .number, cpu: CPUView = .each
    ) {
        self.encoding = encoding
        self.int64 = int64
        self.cpu = cpu
    }
}

/// One entry as JSON text.
public struct EntryText: Sendable {
    /// `{"key":…,"value":…}` and a newline.
    public let json: [UInt8]
    /// The digest of the value's bytes, for conditional changes, in quotes.
    public let quotedTag: String
}

/// What became of an entry that was written.
public struct EntryChange: Sendable {
    /// The entry as it now is, without its closing brace.
    public var entry: [UInt8]
    public var created: Bool
    /// Whether the bytes are others now.
    public var changed: Bool
    public var tag: String
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

    func bytes(_ map: LoadedMap, _ style: EntryStyle) throws(Problem) -> MapBytes {
        try MapBytes(map: map, style: style, objects: MapObjects(map, self))
    }

    /// One entry. One lookup, no wait: fit for an HTTP thread.
    /// - Throws: `not_found`; `size_mismatch`, `invalid_value` for the key;
    ///   `unsupported_map_operation`.
    public func entry(_ view: MapView, key text: String, _ style: EntryStyle) throws(Problem)
        -> EntryText
    {
        try view.loaded.require(.read)
        let bytes = try bytes(view.loaded, style)
        // What a key or value names stays open until the kernel has seen it.
        defer { bytes.objects?.release() }
        let key = try bytes.key(inURL: text)
        let value: [UInt8]?
        do { value = try view.loaded.map.lookup(key.bytes.span) } catch {
            throw view.loaded.refused(error, while: "read an entry")
        }
        guard let value else { throw noEntry(view.loaded, text) }
        var json = JSONWriter(capacity: 256, int64: style.int64)
        bytes.write(key: key, value: value, to: &json)
        json.byte(UInt8(ascii: "\n"))
        return EntryText(json: json.bytes(), quotedTag: EntryTag.quoted(value.span))
    }

    /// Writes one entry.
    /// - Parameters:
    ///   - document: `{"value":…}` or `{"values":[…]}`.
    ///   - tags: the tags of which the entry must have one now; nil for no condition. The kernel
    ///     cannot compare and set: another writer between the look and the change is not noticed.
    public func putEntry(
        _ view: MapView, key text: String, _ document: JSONObject, _ mode: EntryMode,
        ifMatch tags: [String]?, _ style: EntryStyle, isDryRun: Bool
    ) throws(Problem) -> EntryChange {
        let loaded = view.loaded
        try loaded.require(.write)
        let bytes = try bytes(loaded, style)
        defer { bytes.objects?.release() }
        for member in document.members where !["value", "values"].contains(member.name) {
            throw Problem(
                .unknownMember, "An entry has \"value\" or \"values\", not \"\(member.name)\".",
                pointer: JSONPointer.root.appending(member.name).description)
        }
        let key = try bytes.key(inURL: text)
        let value = try bytes.value(document, at: .root)
        return try entryLocks.locking(loaded.map.info.id) { () throws(Problem) in
            let before = try loaded.present(key)
            try loaded.check(before, ifMatch: tags, text)
            if mode == .update && before == nil && loaded.canRead { throw noEntry(loaded, text) }
            if mode == .create && before != nil { throw exists(loaded, text) }
            if !isDryRun { try loaded.write(key, value, mode) }
            // What the kernel keeps of an object is not what it was given: of a descriptor the id.
            let objects = bytes.objects.flatMap { $0.hasObjectValues ? $0 : nil }
            let after = isDryRun || objects == nil ? nil : try loaded.present(key)
            var json = JSONWriter(capacity: 256, int64: style.int64)
            if let objects, after == nil || !objects.isReadable {
                objects.writeGiven(key, document["value"], bytes, &json)
            } else {
                bytes.write(key: key, value: after ?? value, to: &json)
            }
            let now = objects == nil ? value : after
            let kept = after ?? value
            return EntryChange(
                entry: Array(json.bytes().dropLast()), created: before == nil && loaded.canRead,
                changed: now == nil || before != now, tag: EntryTag.of(kept.span))
        }
    }

    /// - Returns: false where there was no such entry.
    public func deleteEntry(
        _ view: MapView, key text: String, ifMatch tags: [String]?, _ style: EntryStyle,
        isDryRun: Bool
    ) throws(Problem) -> Bool {
        let loaded = view.loaded
        try loaded.require(.delete)
        let bytes = try bytes(loaded, style)
        defer { bytes.objects?.release() }
        let key = try bytes.key(inURL: text)
        return try entryLocks.locking(loaded.map.info.id) { () throws(Problem) in
            if isDryRun || tags != nil {
                let before = try loaded.present(key)
                try loaded.check(before, ifMatch: tags, text)
                if isDryRun { return before != nil || !loaded.canRead }
            }
            do throws(BPFError) { return try loaded.map.delete(key.bytes.span) } catch {
                throw loaded.refused(error, while: "delete an entry")
            }
        }
    }

    func noEntry(_ map: LoadedMap, _ key: String) -> Problem {
        Problem(.notFound, "Map \(map.path) has no entry \(key).")
    }

    private func exists(_ map: LoadedMap, _ key: String) -> Problem {
        Problem(
            .alreadyExists, "Map \(map.path) has an entry \(key), and mode=create wants none.")
    }
}

extension LoadedMap {
    /// `program/map`, or the kernel's id where it is no program's of ours.
    var path: String { program.isEmpty ? "\(map.info.id)" : "\(program)/\(name)" }

    /// Whether the kernel gives values at all.
    var canRead: Bool {
        abilities.uses.contains(.read) && flags & MapFlags.writeOnly == 0
    }

    func refused(_ error: BPFError, while action: String) -> Problem {
        var problem = Problem(error, map: path, entries: map.info.maxEntries, while: action)
        switch error.errno {
        case .eperm where map.isFrozen == true:
            problem.detail = "Could not \(action) of map \(path): it is frozen, for good."
        case .enospc where map.info.type == .userRingbuf:
            return Problem(
                .mapFull,
                "Could not \(action) of map \(path): its ring of \(map.info.maxEntries) bytes is "
                    + "full, the program has not read it.", errno: error.errno.name, cause: error)
        case .einval where [.hashOfMaps, .arrayOfMaps].contains(map.info.type):
            problem.detail =
                "Could not \(action) of map \(path): the map that is named differs from those it "
                + "was made for in type, key or value size, or flags."
        case .einval where map.info.type == .progArray:
            problem.detail =
                "Could not \(action) of map \(path): the function is of another type, or attach "
                + "type, than those that call through it."
        case .einval where hasSlots, .eoverflow where hasSlots:
            return Problem(
                .invalidValue, "Could not \(action) of map \(path): \(slotRule).",
                errno: error.errno.name, cause: error)
        case .ebadf where !abilities.instead.isEmpty: problem.detail += " " + abilities.hint
        default: break
        }
        return problem
    }

    private var hasSlots: Bool { [.cpumap, .devmap, .devmapHash].contains(map.info.type) }

    /// What the kernel wants of an entry, which it refuses with no more than EINVAL.
    private var slotRule: String {
        map.info.type == .cpumap
            ? "a queue has 1 to 16384 places, the key is a CPU that is there, and the function, "
                + "where there is one, is in SEC(\"xdp/cpumap\")"
            : "the interface must be there, in the daemon's network namespace, and the function, "
                + "where there is one, in SEC(\"xdp/devmap\")"
    }

    /// The value now; nil where there is none, or the kernel does not tell.
    func present(_ key: EntryKey) throws(Problem) -> [UInt8]? {
        guard canRead else { return nil }
        do { return try map.lookup(key.bytes.span) } catch {
            throw refused(error, while: "read an entry")
        }
    }

    func write(_ key: EntryKey, _ value: [UInt8], _ mode: EntryMode) throws(Problem) {
        do { try map.update(key.bytes.span, value.span, mode.flags) } catch {
            throw refused(error, while: "write an entry")
        }
    }

    /// - Throws: `precondition_failed`.
    func check(_ value: [UInt8]?, ifMatch tags: [String]?, _ key: String) throws(Problem) {
        guard let tags else { return }
        guard let value else {
            throw Problem(
                .preconditionFailed, "Map \(path) has no entry \(key), and If-Match wants one.")
        }
        let tag = EntryTag.of(value.span)
        guard tags.contains("*") || tags.contains(tag) else {
            throw Problem(
                .preconditionFailed,
                "The entry \(key) of map \(path) has the tag \"\(tag)\" now.")
        }
    }
}
