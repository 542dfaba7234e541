/// The path and query of a request line, split before they are decoded. Pure; every byte comes
/// from the client.
struct RequestTarget: Sendable {
    var rawPath = ""
    var segments: [String] = []
    var query: [(name: String, value: String)] = []

    /// More parameters than this are refused.
    static let queryLimit = 128

    /// - Throws: `malformed` for anything but the origin form (`/path?query`), control bytes,
    ///   spaces, fragments, broken percent-encoding, NUL, bytes that are not UTF-8 and the
    ///   segments `.` and `..`.
    init(_ bytes: Span<UInt8>) throws(Refusal) {
        guard bytes.count > 0, bytes[0] == UInt8(ascii: "/") else {
            throw .malformed("The request target must be a path that begins with /.")
        }
        var end = bytes.count
        for index in bytes.indices {
            switch bytes[index] {
            case 0...0x20, 0x7f, UInt8(ascii: "#"):
                throw .malformed("The request target holds a control byte, a space or a #.")
            case UInt8(ascii: "?") where end == bytes.count: end = index
            default: break
            }
        }
        rawPath = try Self.text(bytes.extracting(0..<end))
        if end > 1 { try split(path: bytes.extracting(1..<end)) }
        if end < bytes.count { try split(query: bytes.extracting((end + 1)..<bytes.count)) }
    }

    private mutating func split(path: Span<UInt8>) throws(Refusal) {
        segments.reserveCapacity(8)
        var start = 0
        for index in 0...path.count where index == path.count || path[index] == UInt8(ascii: "/") {
            let segment = try Self.decoded(path.extracting(start..<index))
            if segment == "." || segment == ".." {
                throw .malformed("The path holds a . or .. segment.")
            }
            segments.append(segment)
            start = index + 1
        }
    }

    private mutating func split(query text: Span<UInt8>) throws(Refusal) {
        var start = 0
        for index in 0...text.count where index == text.count || text[index] == UInt8(ascii: "&") {
            let piece = text.extracting(start..<index)
            start = index + 1
            if piece.isEmpty { continue }
            guard query.count < Self.queryLimit else {
                throw .malformed("The query has more than \(Self.queryLimit) parameters.")
            }
            var equals = 0
            while equals < piece.count && piece[equals] != UInt8(ascii: "=") { equals += 1 }
            let value = piece.extracting(min(equals + 1, piece.count)..<piece.count)
            query.append(
                (
                    try Self.decoded(piece.extracting(0..<equals), isForm: true),
                    try Self.decoded(value, isForm: true)
                ))
        }
    }

    /// Undoes the percent-encoding.
    /// - Parameter isForm: `+` is a space, as `curl -G --data-urlencode`, URLSearchParams and
    ///   urllib write it in a query; in a path it stays a plus.
    private static func decoded(_ bytes: Span<UInt8>, isForm: Bool = false) throws(Refusal)
        -> String
    {
        let plus = isForm ? UInt8(ascii: "+") : UInt8(ascii: "%")
        var encoded = false
        for index in bytes.indices
        where bytes[index] == UInt8(ascii: "%") || bytes[index] == plus {
            encoded = true
        }
        guard encoded else { return try text(bytes) }
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "%") else {
                let isSpace = isForm && bytes[index] == UInt8(ascii: "+")
                plain.append(isSpace ? UInt8(ascii: " ") : bytes[index])
                index += 1
                continue
            }
            guard index + 2 < bytes.count, let high = hexDigit(bytes[index + 1]),
                let low = hexDigit(bytes[index + 2])
            else { throw .malformed("A % is not followed by two hexadecimal digits.") }
            let byte = high << 4 | low
            guard byte != 0 else { throw .malformed("The request target holds %00.") }
            plain.append(byte)
            index += 3
        }
        return try text(plain.span)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func text(_ bytes: Span<UInt8>) throws(Refusal) -> String {
        guard let text = String(utf8: bytes) else {
            throw .malformed("The request target is not UTF-8.")
        }
        return text
    }
}

extension String {
    /// `nil` where the bytes are not valid UTF-8.
    init?(utf8 bytes: Span<UInt8>) {
        do { self.init(copying: try UTF8Span(validating: bytes)) } catch { return nil }
    }
}
