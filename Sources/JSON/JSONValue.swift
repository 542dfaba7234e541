/// A JSON document in memory (RFC 8259). Numbers keep their text, so 64-bit integers are exact;
/// objects keep the order of their members.
public indirect enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// `null`, `boolean`, `number`, `string`, `array` or `object`, for error texts.
    public var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "boolean"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    public init(nilLiteral: ()) { self = .null }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (name, value) in elements { object[name] = value }
        self = .object(object)
    }

    public init(_ value: some BinaryInteger) { self = .number(JSONNumber(value)) }
    /// What JSON has no number for becomes the string `NaN`, `Infinity` or `-Infinity`.
    public init(_ value: Double) {
        self = value.isFinite ? .number(JSONNumber(value)) : .string(JSONText.nonFinite(value))
    }
    public init(_ value: String) { self = .string(value) }
    public init(_ value: Bool) { self = .bool(value) }
    public init(_ value: String?) { self = value.map { .string($0) } ?? .null }
}

/// A number by its text as it stood in the document.
public struct JSONNumber: Sendable, Hashable {
    public let text: String

    /// - Parameter text: must match RFC 8259's `number`; the reader checks it.
    public init(text: String) { self.text = text }
    public init(_ value: some BinaryInteger) { text = String(value) }
    /// Shortest text that reads back as the same double. Not a number and infinities have no text
    /// in JSON and must not come here; `JSONValue(_: Double)` takes them.
    public init(_ value: Double) {
        precondition(value.isFinite, "\(value) is not a JSON number")
        text = "\(value)"
    }

    /// The integer, exactly, where the text is one (`1e3` and `1.0` are not).
    public var int128: Int128? { Int128(text) }
    /// As `int128`, without a sign.
    public var uint128: UInt128? { UInt128(text) }
    /// `nil` also beyond 64 bits.
    public var int: Int? { Int(text) }
    public var uint64: UInt64? { UInt64(text) }
    /// The nearest double; infinite beyond its range.
    public var double: Double? { Double(text) }
}

/// Members in their order; names are unique (the reader refuses duplicates).
public struct JSONObject: Sendable, Hashable, Sequence {
    public struct Member: Sendable, Hashable {
        public let name: String
        public var value: JSONValue
        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    public private(set) var members: [Member] = []

    public init() {}

    /// - Parameter members: with names that a reader has found to be unique.
    public init(distinct members: [Member]) { self.members = members }

    /// - Parameter members: with names that the reader has found to be unique.
    init(unique members: [Member]) { self.members = members }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }

    /// Searches from the first member on. Setting `nil` removes the member.
    public subscript(_ name: String) -> JSONValue? {
        get { members.first { $0.name == name }?.value }
        set {
            let index = members.firstIndex { $0.name == name }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    public func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}

extension JSONValue {
    public var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    public var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    public var string: String? { if case .string(let string) = self { string } else { nil } }
    public var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    public var number: JSONNumber? { if case .number(let number) = self { number } else { nil } }
    public var int: Int? { number?.int }
    public var uint64: UInt64? { number?.uint64 }
    /// The member of this name, where this is an object that has it.
    public subscript(_ name: String) -> JSONValue? { object?[name] }
}
