/// How integers beyond 2^53-1 are written: exactly as numbers, or as strings for JavaScript.
public enum Int64Style: Sendable, Hashable { case number, string }

extension JSONValue {
    /// The document as compact UTF-8 text, without a newline.
    public func serialized(int64: Int64Style = .number) -> [UInt8] {
        preconditionFailure("unwritten")
    }
}

/// Appends JSON to one reused buffer of bytes.
public struct JSONWriter: ~Copyable {
    public let int64: Int64Style
    public init(capacity: Int = 4096, int64: Int64Style = .number) {
        self.int64 = int64
    }
    public var count: Int { preconditionFailure("unwritten") }
    /// Forgets the text, keeps the memory.
    public mutating func removeAll() {}
    /// The text so far, copied.
    public func bytes() -> [UInt8] { preconditionFailure("unwritten") }
    /// Text that is JSON already.
    public mutating func raw(_ text: StaticString) {}
    public mutating func raw(_ bytes: Span<UInt8>) {}
    public mutating func value(_ value: JSONValue) {}
    public mutating func string(_ text: String) {}
    public mutating func integer(_ value: Int64) {}
    public mutating func integer(_ value: UInt64) {}
}
