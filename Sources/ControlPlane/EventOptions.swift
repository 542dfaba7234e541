public import Events
public import JSON

/// How the records of one ring are to be understood: an entry of a load's `events`.
public struct EventOptions: Sendable, Hashable {
    /// The struct of its records, or, with `typeBy`, of those whose tag no other is for.
    public var type: String?
    /// The member that tells which type a record is.
    public var typeBy: String?
    /// By the tag's value, a number or the enum's name.
    public var types: [String: String] = [:]
    public var rules = ValidationRules()
    /// Members that hold kernel addresses.
    public var symbols: [String] = []
    public var retention = Retention()
    /// Of a perf event array: each CPU's ring.
    public var bufferBytes: Int?

    public init() {}

    /// 256 KiB for each CPU.
    static let bufferBytes = 256 << 10

    var isEmpty: Bool { self == EventOptions() }

    /// In one order: equal options, equal texts.
    var document: JSONObject {
        var document = JSONObject()
        document["type"] = type.map { .string($0) }
        document["type_by"] = typeBy.map { .string($0) }
        if !types.isEmpty {
            var object = JSONObject()
            for (tag, type) in types.sorted(by: { $0.key < $1.key }) {
                object[tag] = .string(type)
            }
            document["types"] = .object(object)
        }
        let validate = validationDocument
        if !validate.members.isEmpty { document["validate"] = .object(validate) }
        if !symbols.isEmpty { document["symbols"] = .array(symbols.map { .string($0) }) }
        if retention != Retention() {
            var object = JSONObject()
            object["bytes"] = retention.bytes.map { JSONValue($0) }
            object["age_s"] = retention.ageSeconds.map { JSONValue($0) }
            document["retention"] = .object(object)
        }
        document["buffer_bytes"] = bufferBytes.map { JSONValue($0) }
        return document
    }

    private var validationDocument: JSONObject {
        var object = JSONObject()
        if !rules.size { object["size"] = false }
        object["pid"] = Self.value(of: rules.pid)
        object["time"] = Self.value(of: rules.time)
        if !rules.tag { object["tag"] = false }
        return object
    }

    private static func value(of rule: ValidationRules.MemberRule) -> JSONValue? {
        switch rule {
        case .off: false
        case .usual: nil
        case .named(let name): .string(name)
        }
    }

    /// Reads `document` back; what is not understood is as if it were not there.
    init(document: JSONValue) {
        type = document["type"]?.string
        typeBy = document["type_by"]?.string
        for member in document["types"]?.object?.members ?? [] {
            types[member.name] = member.value.string
        }
        rules.size = document["validate"]?["size"]?.bool ?? true
        rules.tag = document["validate"]?["tag"]?.bool ?? true
        rules.pid = Self.rule(document["validate"]?["pid"])
        rules.time = Self.rule(document["validate"]?["time"])
        symbols = document["symbols"]?.array?.compactMap(\.string) ?? []
        retention.bytes = document["retention"]?["bytes"]?.int
        retention.ageSeconds = document["retention"]?["age_s"]?.int
        bufferBytes = document["buffer_bytes"]?.int
    }

    /// `true`, `false`, or the member's name; `true` where there is nothing.
    public static func rule(_ value: JSONValue?) -> ValidationRules.MemberRule {
        if let name = value?.string { return .named(name) }
        return value?.bool == false ? .off : .usual
    }
}
