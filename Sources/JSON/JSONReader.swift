/// Why a text is not an acceptable JSON document.
public struct JSONError: Error, Sendable, Hashable {
    /// A clause for a person: "a second member named \"pid\"", "the text ends inside a string".
    public let reason: String
    /// Bytes from the start.
    public let offset: Int
    /// The place in the document, as far as it was understood.
    public let pointer: JSONPointer

    public init(reason: String, offset: Int, pointer: JSONPointer) {
        self.reason = reason
        self.offset = offset
        self.pointer = pointer
    }
}

/// Bounds on a document that a client sends.
public struct JSONLimits: Sendable {
    public var depth: Int
    public var values: Int
    public init(depth: Int = 64, values: Int = 1_000_000) {
        self.depth = depth
        self.values = values
    }
}

extension JSONValue {
    /// Reads exactly one document: UTF-8, no byte order mark, nothing after it, no duplicate members.
    public static func parse(_ bytes: Span<UInt8>, limits: JSONLimits = JSONLimits())
        throws(JSONError) -> JSONValue
    { preconditionFailure("unwritten") }

    public static func parse(_ text: String) throws(JSONError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try parse(bytes.span)
    }
}
