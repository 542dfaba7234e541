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
    /// Objects and arrays inside one another. The reader recurses: at most 512 count.
    public var depth: Int
    /// Values in the whole document, objects and arrays among them.
    public var values: Int
    public init(depth: Int = 64, values: Int = 1_000_000) {
        self.depth = min(depth, 512)
        self.values = values
    }
}

extension JSONValue {
    /// Reads exactly one document: UTF-8, no byte order mark, nothing after it, no duplicate
    /// members.
    ///
    /// Strict RFC 8259: no comments, no trailing commas, no lone surrogates. Numbers keep their
    /// text, so that no digit is lost.
    public static func parse(_ bytes: Span<UInt8>, limits: JSONLimits = JSONLimits())
        throws(JSONError) -> JSONValue
    {
        var parser = Parser(limits)
        return try parser.document(bytes)
    }

    /// Reads the text as a document; offsets in errors count its UTF-8 bytes.
    public static func parse(_ text: String) throws(JSONError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try parse(bytes.span)
    }
}

/// Where the reader stands. The bytes are handed down, because a span cannot be stored here.
private struct Parser {
    var position = 0
    var valuesLeft: Int
    let limits: JSONLimits
    var path = JSONPath()

    init(_ limits: JSONLimits) {
        self.limits = limits
        valuesLeft = limits.values
    }

    func error(_ reason: String, at offset: Int? = nil) -> JSONError {
        JSONError(reason: reason, offset: offset ?? position, pointer: path.pointer())
    }

    mutating func document(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            throw error("a byte order mark is not allowed")
        }
        skipSpace(bytes)
        guard position < bytes.count else { throw error("the text is empty") }
        let value = try value(bytes)
        skipSpace(bytes)
        guard position == bytes.count else { throw error("more text after the value") }
        return value
    }

    mutating func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        guard position < bytes.count else { throw error("the text ends where a value should be") }
        valuesLeft -= 1
        guard valuesLeft >= 0 else {
            throw error("more than \(limits.values) values in one document")
        }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try object(bytes))
        case UInt8(ascii: "["): return .array(try array(bytes))
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "t"): return try word("true", .bool(true), bytes)
        case UInt8(ascii: "f"): return try word("false", .bool(false), bytes)
        case UInt8(ascii: "n"): return try word("null", .null, bytes)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number(bytes)
        default: throw error("a value cannot start with \(shown(bytes))")
        }
    }

    mutating func object(_ bytes: Span<UInt8>) throws(JSONError) -> JSONObject {
        try enter()
        var members: [JSONObject.Member] = []
        var names: Set<String> = []
        position += 1
        skipSpace(bytes)
        if next(UInt8(ascii: "}"), bytes) { return JSONObject() }
        while true {
            guard position < bytes.count else { throw error("the text ends inside an object") }
            guard bytes[position] == UInt8(ascii: "\"") else {
                throw error("a member's name in quotes is wanted, not \(shown(bytes))")
            }
            let start = position
            let name = try string(bytes)
            path.enter(name)
            guard !isKnown(name, members, &names) else {
                throw error("a second member named \"\(name.prefix(64))\"", at: start)
            }
            skipSpace(bytes)
            guard next(UInt8(ascii: ":"), bytes) else {
                throw error("a colon is wanted after the name, not \(shown(bytes))")
            }
            skipSpace(bytes)
            members.append(JSONObject.Member(name: name, value: try value(bytes)))
            path.leave()
            skipSpace(bytes)
            if next(UInt8(ascii: "}"), bytes) { break }
            guard next(UInt8(ascii: ","), bytes) else {
                throw error("a comma or } is wanted after a member, not \(shown(bytes))")
            }
            skipSpace(bytes)
        }
        return JSONObject(unique: members)
    }

    /// A short object is searched, a long one keeps a set, so that many members cost no square.
    func isKnown(_ name: String, _ members: [JSONObject.Member], _ names: inout Set<String>)
        -> Bool
    {
        guard members.count >= 16 else { return members.contains { $0.name == name } }
        if names.isEmpty { names = Set(members.map(\.name)) }
        return !names.insert(name).inserted
    }

    mutating func array(_ bytes: Span<UInt8>) throws(JSONError) -> [JSONValue] {
        try enter()
        var elements: [JSONValue] = []
        position += 1
        skipSpace(bytes)
        if next(UInt8(ascii: "]"), bytes) { return [] }
        while true {
            path.enter(elements.count)
            elements.append(try value(bytes))
            path.leave()
            skipSpace(bytes)
            if next(UInt8(ascii: "]"), bytes) { break }
            guard next(UInt8(ascii: ","), bytes) else {
                throw error("a comma or ] is wanted after an element, not \(shown(bytes))")
            }
            skipSpace(bytes)
        }
        return elements
    }

    func enter() throws(JSONError) {
        guard path.depth < limits.depth else {
            throw error("nested deeper than \(limits.depth) levels")
        }
    }

    mutating func word(_ text: StaticString, _ value: JSONValue, _ bytes: Span<UInt8>)
        throws(JSONError) -> JSONValue
    {
        let start = position
        for character in text.description.utf8 {
            guard next(character, bytes) else {
                throw error("a word that is not true, false or null", at: start)
            }
        }
        return value
    }

    mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        let start = position
        _ = next(UInt8(ascii: "-"), bytes)
        if next(UInt8(ascii: "0"), bytes) {
            if isDigit(bytes) { throw error("a number has no leading zeros", at: start) }
        } else {
            try digits(bytes)
        }
        if next(UInt8(ascii: "."), bytes) { try digits(bytes) }
        if next(UInt8(ascii: "e"), bytes) || next(UInt8(ascii: "E"), bytes) {
            if !next(UInt8(ascii: "+"), bytes) { _ = next(UInt8(ascii: "-"), bytes) }
            try digits(bytes)
        }
        guard position - start <= 1024 else {
            throw error("a number of over 1024 digits", at: start)
        }
        return .number(JSONNumber(text: try text(bytes, start..<position)))
    }

    mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
        guard isDigit(bytes) else { throw error("a digit is wanted, not \(shown(bytes))") }
        repeat { position += 1 } while isDigit(bytes)
    }

    func isDigit(_ bytes: Span<UInt8>) -> Bool {
        position < bytes.count && bytes[position] &- UInt8(ascii: "0") < 10
    }

    mutating func next(_ wanted: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard position < bytes.count, bytes[position] == wanted else { return false }
        position += 1
        return true
    }

    mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// What stands at the position, for an error text.
    func shown(_ bytes: Span<UInt8>) -> String {
        guard position < bytes.count else { return "the end of the text" }
        let byte = bytes[position]
        guard byte > 0x20, byte < 0x7F else { return "the byte 0x\(String(byte, radix: 16))" }
        return "'\(Character(UnicodeScalar(byte)))'"
    }
}

extension Parser {
    mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return try text(bytes, start..<position - 1)
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(bytes, from: start) }
            guard byte >= 0x20 else { throw error("a control character inside a string") }
            position += 1
        }
        throw error("the text ends inside a string")
    }

    /// The rest of a string from its first backslash on.
    private mutating func escapedString(_ bytes: Span<UInt8>, from start: Int)
        throws(JSONError) -> String
    {
        var result = try text(bytes, start..<position)
        while position < bytes.count {
            let run = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "\""),
                bytes[position] != UInt8(ascii: "\\")
            {
                guard bytes[position] >= 0x20 else {
                    throw error("a control character inside a string")
                }
                position += 1
            }
            result += try text(bytes, run..<position)
            guard position < bytes.count else { break }
            if next(UInt8(ascii: "\""), bytes) { return result }
            result.unicodeScalars.append(try escape(bytes))
        }
        throw error("the text ends inside a string")
    }

    private mutating func escape(_ bytes: Span<UInt8>) throws(JSONError) -> UnicodeScalar {
        let start = position
        position += 1
        guard position < bytes.count else { throw error("the text ends inside a string") }
        let kind = bytes[position]
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return UnicodeScalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(bytes, from: start)
        default: throw error("an escape that JSON does not have", at: start)
        }
    }

    private mutating func unicodeEscape(_ bytes: Span<UInt8>, from start: Int)
        throws(JSONError) -> UnicodeScalar
    {
        let first = try fourHexDigits(bytes)
        if let scalar = UnicodeScalar(first) { return scalar }
        guard first < 0xDC00, next(UInt8(ascii: "\\"), bytes), next(UInt8(ascii: "u"), bytes) else {
            throw error("a surrogate without its other half", at: start)
        }
        let second = try fourHexDigits(bytes)
        let code = 0x10000 &+ (first &- 0xD800) << 10 &+ (second &- 0xDC00)
        guard (0xDC00...0xDFFF).contains(second), let scalar = UnicodeScalar(code) else {
            throw error("a surrogate without its other half", at: start)
        }
        return scalar
    }

    private mutating func fourHexDigits(_ bytes: Span<UInt8>) throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = JSONText.hexDigit(bytes[position]) else {
                throw error("four hexadecimal digits are wanted after \\u")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    private func text(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> String {
        do throws(UTF8.ValidationError) {
            return String(copying: try UTF8Span(validating: bytes.extracting(range)))
        } catch {
            throw self.error(
                "bytes that are not UTF-8", at: range.lowerBound + error.byteOffsets.lowerBound)
        }
    }
}
