internal import BPF
internal import BTF
internal import JSON
internal import Problems

/// How keys and values are written in JSON: `?encoding=`.
public enum EntryEncoding: String, Sendable, CaseIterable {
    /// By BTF; integers of 1, 2, 4, 8 bytes and else hex where there is none.
    case typed
    /// `hex:…`; plain hex text is read too.
    case hex
    /// `base64:…`; plain base64 is read too.
    case base64
}

/// How the values of the CPUs appear: `?cpu=`.
public enum CPUView: String, Sendable, CaseIterable {
    /// `"values"`, one for each possible CPU.
    case each
    /// `"value"`: each number the sum, or the largest, over the CPUs.
    case sum, max
}

/// A map's key: its bytes, and how to show one whose bytes are a descriptor of ours.
struct EntryKey {
    var bytes: [UInt8]
    var shown: JSONValue?
}

/// Between a map's bytes and JSON.
struct MapBytes: Sendable {
    let map: LoadedMap
    let encoding: EntryEncoding
    let cpu: CPUView
    /// Where values are not what BTF says: maps in maps, functions, stacks, sockets.
    let objects: MapObjects?
    /// The numbers of a value, for sums over the CPUs.
    let numbers: [ValuePlan.Member]

    /// - Throws: `unsupported_map_operation` where `cpu` asks for sums of what are no numbers.
    init(map: LoadedMap, style: EntryStyle, objects: MapObjects?) throws(Problem) {
        self.map = map
        encoding = style.encoding
        self.objects = objects
        cpu = map.map.info.type.isPerCPU ? style.cpu : .each
        numbers = cpu == .each ? [] : try map.numbers(encoding: encoding, cpu: cpu)
    }

    var cpus: Int { PossibleCPUs.count }
    var isPerCPU: Bool { map.map.info.type.isPerCPU }
    /// The distance of two CPUs' values in what the kernel gives: `round_up(value_size, 8)`.
    var stride: Int { (map.map.info.valueSize + 7) & ~7 }

    // MARK: Reading requests

    /// A key from the URL, whatever `encoding` is to show: a JSON literal, `hex:…`, `base64:…`, or
    /// text that is no JSON, taken as a string.
    func key(inURL text: String) throws(Problem) -> EntryKey {
        if text.hasPrefix("hex:") || text.hasPrefix("base64:") {
            return try key(.string(text), at: .root)
        }
        if objects == nil, let plain = try plainKey(text) { return plain }
        var value: JSONValue
        do { value = try JSONValue.parse(text) } catch { value = .string(text) }
        // A key of text may look like a number: entries/42 means "42" there.
        if map.keyPlan.whole.kind == .text, value.string == nil { value = .string(text) }
        let typed = try MapBytes(map: map, style: EntryStyle(), objects: objects)
        return try typed.key(value, at: .root)
    }

    /// A key that is spelt plainly, without a document in between; nil for every other.
    private func plainKey(_ text: String) throws(Problem) -> EntryKey? {
        var bytes = [UInt8](repeating: 0, count: map.map.info.keySize)
        var position = 0
        let json = text.utf8.span
        guard map.keyPlan.decode(json, &position, into: &bytes, at: 0), position == json.count
        else { return nil }
        try check(bytes, .root)
        return EntryKey(bytes: bytes)
    }

    func key(_ value: JSONValue, at pointer: JSONPointer) throws(Problem) -> EntryKey {
        if let objects, let bytes = try objects.key(value, at: pointer) {
            return EntryKey(bytes: bytes, shown: value)
        }
        let bytes = try bytes(value, map.keyPlan, map.map.info.keySize, "key", pointer)
        try check(bytes, pointer)
        return EntryKey(bytes: bytes)
    }

    /// What the kernel would refuse without a word.
    private func check(_ bytes: [UInt8], _ pointer: JSONPointer) throws(Problem) {
        let isTrie = map.map.info.type == .lpmTrie
        guard isTrie || map.hasIndexes, bytes.count >= 4 else { return }
        let index = bytes.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let count = map.map.info.maxEntries
        if isTrie {
            let most = 8 * (bytes.count - 4)
            let member = map.keyPlan.members.first.map { pointer.appending($0.name) }
            guard index > most else { return }
            throw Problem(
                .invalidValue,
                "A prefix of \(index) bits is beyond map \(map.name), whose keys have \(most) "
                    + "(0 to \(most)).", pointer: (member ?? pointer).description)
        }
        guard index < count else {
            throw Problem(
                .invalidValue,
                "Index \(index) is beyond map \(map.name), which has \(count) entries "
                    + "(0 to \(count - 1)).", pointer: pointer.description)
        }
    }

    /// The value of a document with `value`, or for a per-CPU map with `values`.
    func value(_ document: JSONObject, at pointer: JSONPointer) throws(Problem) -> [UInt8] {
        if document["value"] != nil, document["values"] != nil {
            throw Problem(
                .invalidMember, "Give \"value\" or \"values\", not both.",
                pointer: pointer.appending(isPerCPU ? "value" : "values").description)
        }
        guard isPerCPU else {
            guard let value = document["value"] else {
                throw Problem(
                    .invalidMember,
                    document["values"] == nil
                        ? "The member \"value\" is missing."
                        : "Map \(map.name) is not per CPU: give \"value\", not \"values\".",
                    pointer: pointer.appending("value").description)
            }
            return try single(value, at: pointer.appending("value"))
        }
        let place = pointer.appending("values")
        guard let values = document["values"]?.array else {
            throw Problem(
                .invalidMember,
                "Map \(map.name) has a value for each CPU: give \"values\" with \(cpus) of them.",
                pointer: place.description)
        }
        guard values.count == cpus else {
            throw Problem(
                .sizeMismatch,
                "\"values\" has \(values.count) values, map \(map.name) takes \(cpus), one for "
                    + "each possible CPU.",
                pointer: place.description)
        }
        var all: [UInt8] = []
        all.reserveCapacity(cpus * stride)
        for (cpu, value) in values.enumerated() {
            let bytes = try single(value, at: place.appending(cpu))
            all += bytes
            all += [UInt8](repeating: 0, count: stride - bytes.count)
        }
        return all
    }

    /// One value, or one CPU's.
    func single(_ value: JSONValue, at pointer: JSONPointer) throws(Problem) -> [UInt8] {
        if let objects, let bytes = try objects.value(value, at: pointer) { return bytes }
        let bytes = try bytes(value, map.valuePlan, map.map.info.valueSize, "value", pointer)
        return try objects?.given(bytes, at: pointer) ?? bytes
    }

    /// A record of any size, as `hex:…` or `base64:…`, or of the type that the plan is of.
    func record(_ value: JSONValue, _ plan: ValuePlan?, at pointer: JSONPointer) throws(Problem)
        -> [UInt8]
    {
        if case .string(let text) = value {
            if text.hasPrefix("hex:") { return try hex(text.dropFirst(4), pointer) }
            if text.hasPrefix("base64:") { return try base64(text.dropFirst(7), pointer) }
        }
        guard let plan else {
            throw Problem(
                .invalidValue,
                "Records of \(map.name) have no type: name one, ?type=event, or give \"hex:…\" or "
                    + "\"base64:…\".", pointer: pointer.description)
        }
        do {
            return try plan.encode(value, at: pointer, maximumSize: map.map.info.maxEntries)
        } catch {
            throw Problem(
                .invalidValue, "The record does not fit \(plan.typeName): \(error.reason).",
                pointer: error.pointer.description)
        }
    }

    private func bytes(
        _ value: JSONValue, _ plan: ValuePlan, _ size: Int, _ what: String, _ pointer: JSONPointer
    ) throws(Problem) -> [UInt8] {
        if case .string(let text) = value {
            if text.hasPrefix("hex:") {
                return try sized(hex(text.dropFirst(4), pointer), size, what, pointer)
            }
            if text.hasPrefix("base64:") {
                return try sized(base64(text.dropFirst(7), pointer), size, what, pointer)
            }
            switch encoding {
            case .hex: return try sized(hex(text[...], pointer), size, what, pointer)
            case .base64: return try sized(base64(text[...], pointer), size, what, pointer)
            case .typed: break
            }
        } else if encoding != .typed {
            throw Problem(
                .invalidValue,
                "The \(what) is a \(value.typeName); with encoding=\(encoding.rawValue) it must "
                    + "be a string.",
                pointer: pointer.description)
        }
        do { return try plan.encode(value, at: pointer) } catch {
            throw Problem(
                .invalidValue, "The \(what) does not fit \(plan.typeName): \(error.reason).",
                pointer: error.pointer.description)
        }
    }

    private func sized(
        _ bytes: [UInt8], _ size: Int, _ what: String, _ pointer: JSONPointer
    ) throws(Problem) -> [UInt8] {
        guard bytes.count == size else {
            throw Problem(
                .sizeMismatch,
                "The \(what) is \(bytes.count) bytes, map \(map.name) takes \(size).",
                pointer: pointer.description)
        }
        return bytes
    }

    private func hex(_ text: Substring, _ pointer: JSONPointer) throws(Problem) -> [UInt8] {
        guard let bytes = Hex.decode(text) else {
            throw Problem(
                .invalidValue, "\"\(text.prefix(40))\" is not hex text: two digits a byte.",
                pointer: pointer.description)
        }
        return bytes
    }

    private func base64(_ text: Substring, _ pointer: JSONPointer) throws(Problem) -> [UInt8] {
        guard let bytes = Base64.decode(String(text)) else {
            throw Problem(
                .invalidValue, "\"\(text.prefix(40))\" is not base64 (RFC 4648, padded).",
                pointer: pointer.description)
        }
        return bytes
    }
}
