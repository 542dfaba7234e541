public import JSON

/// What the loader is asked to do with an object.
public struct LoadRequest: Sendable, Hashable {
    /// How much of the kernel verifier's log is wanted.
    public enum VerifierLog: String, Sendable {
        /// Never in the report or the failure.
        case none
        /// Of the function that was refused, at most its last 64 KiB; a load that succeeds pays
        /// nothing for it.
        case brief
        /// Of each function, at most its last 1 MiB: the verifier's log levels 1 and 4
        /// (instructions and statistics).
        case full
    }

    /// An existing directory in a bpffs, made for this load; pins go there: `p0`, `p1`, … for
    /// functions and `m0`, `m1`, … for maps, in the report's order. `nil`: load, verify, throw
    /// away.
    public var pinDirectory: String?
    /// By name, each encoded by the variable's BTF type, before the load.
    public var globals = JSONObject()
    /// Only these functions are loaded, also those in a `SEC("?…")`; `nil`: all but `SEC("?…")`.
    public var onlyFunctions: [String]?
    /// function -> attach target (fentry, fexit, fmod_ret, lsm, tp_btf, iter).
    public var targets: [String: String] = [:]
    /// function -> path of a pinned program, in which `targets` is a function: freplace, and fentry
    /// and fexit of a BPF program.
    public var targetPins: [String: String] = [:]
    /// map -> max_entries.
    public var maxEntries: [String: UInt32] = [:]
    /// map -> path of a pinned map to use instead of a new one.
    public var reusedMaps: [String: String] = [:]
    /// As many new maps, and bytes of them reckoned beforehand, as there may be; `nil`: any.
    public var mapLimit: Int?
    public var mapMemoryLimitBytes: Int?
    public var verifierLog = VerifierLog.brief

    public init() {}
}

extension LoadRequest {
    /// The request as the loader reads it. Pointers of a `LoadFailure` point into this document.
    public var json: JSONValue {
        var object = JSONObject()
        object["pin_directory"] = pinDirectory.map { .string($0) }
        if !globals.isEmpty { object["globals"] = .object(globals) }
        object["functions"] = onlyFunctions.map { .array($0.map { .string($0) }) }
        if !targets.isEmpty { object["targets"] = Self.object(targets) { .string($0) } }
        if !targetPins.isEmpty {
            object["target_pins"] = Self.object(targetPins) { .string($0) }
        }
        if !maxEntries.isEmpty { object["max_entries"] = Self.object(maxEntries) { JSONValue($0) } }
        if !reusedMaps.isEmpty { object["reused_maps"] = Self.object(reusedMaps) { .string($0) } }
        object["map_limit"] = mapLimit.map { JSONValue($0) }
        object["map_memory_limit_bytes"] = mapMemoryLimitBytes.map { JSONValue($0) }
        object["verifier_log"] = .string(verifierLog.rawValue)
        return .object(object)
    }

    /// `nil` where the document is not a request.
    public init?(json: JSONValue) {
        guard let object = json.object else { return nil }
        for member in object {
            switch member.name {
            case "pin_directory":
                guard let path = member.value.string else { return nil }
                pinDirectory = path
            case "globals":
                guard let values = member.value.object else { return nil }
                globals = values
            case "functions":
                guard let names = member.value.strings else { return nil }
                onlyFunctions = names
            case "targets":
                guard let map = Self.dictionary(member.value, { $0.string }) else { return nil }
                targets = map
            case "target_pins":
                guard let map = Self.dictionary(member.value, { $0.string }) else { return nil }
                targetPins = map
            case "max_entries":
                let map = Self.dictionary(member.value) { $0.uint64.flatMap(UInt32.init(exactly:)) }
                guard let map else { return nil }
                maxEntries = map
            case "reused_maps":
                guard let map = Self.dictionary(member.value, { $0.string }) else { return nil }
                reusedMaps = map
            case "map_limit":
                guard let count = member.value.int else { return nil }
                mapLimit = count
            case "map_memory_limit_bytes":
                guard let bytes = member.value.int else { return nil }
                mapMemoryLimitBytes = bytes
            case "verifier_log":
                guard let log = member.value.string.flatMap(VerifierLog.init) else { return nil }
                verifierLog = log
            default: return nil
            }
        }
    }

    /// Sorted by name, so that equal requests are equal bytes.
    private static func object<V>(_ values: [String: V], _ encode: (V) -> JSONValue) -> JSONValue {
        var object = JSONObject()
        for (name, value) in values.sorted(by: { $0.key < $1.key }) { object[name] = encode(value) }
        return .object(object)
    }

    private static func dictionary<V>(_ json: JSONValue, _ decode: (JSONValue) -> V?)
        -> [String: V]?
    {
        guard let object = json.object else { return nil }
        var values: [String: V] = [:]
        for member in object {
            guard let value = decode(member.value) else { return nil }
            values[member.name] = value
        }
        return values
    }
}

extension JSONValue {
    /// The texts of an array that holds nothing else.
    var strings: [String]? {
        guard let array else { return nil }
        let strings = array.compactMap(\.string)
        return strings.count == array.count ? strings : nil
    }
}
