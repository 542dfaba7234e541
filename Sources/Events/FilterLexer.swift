/// Where and why the text of a filter is refused. The position counts bytes from 1.
public struct FilterError: Error, Sendable, Hashable {
    /// A clause: "expected a value after ==".
    public let reason: String
    public let position: Int
    /// Of several types' refusals another one says more.
    var isUnknownMember = false
}

/// A word of a filter.
enum FilterToken: Equatable {
    enum Symbol: String, CaseIterable {
        // Longer ones first: they are tried in this order.
        case and = "&&", or = "||", equal = "==", unequal = "!=", atMost = "<=", atLeast = ">="
        case unlike = "!~", not = "!", less = "<", greater = ">", like = "~", open = "("
        case close = ")", comma = ",", mask = "&"
    }

    case symbol(Symbol)
    /// A member's path, an enum's name, `true`, `false`, `in`.
    case word(String)
    case integer(Int128)
    case decimal(Double)
    case text([UInt8])
    case end

    var name: String {
        switch self {
        case .symbol(let symbol): symbol.rawValue
        case .word(let word): word
        case .integer(let value): "\(value)"
        case .decimal(let value): "\(value)"
        case .text(let text): "\"\(String(decoding: text, as: UTF8.self))\""
        case .end: "the end"
        }
    }
}

/// Cuts the text of a filter into words.
struct FilterLexer {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// The next word and where it stands.
    mutating func next() throws(FilterError) -> (FilterToken, position: Int) {
        while offset < bytes.count, [9, 10, 13, 32].contains(bytes[offset]) { offset += 1 }
        let start = offset
        guard offset < bytes.count else { return (.end, start + 1) }
        let byte = bytes[offset]
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
            return (.text(try text(byte)), start + 1)
        }
        if Self.isDigit(byte) || byte == UInt8(ascii: "-") {
            return (try number(), start + 1)
        }
        if Self.isLetter(byte) { return (.word(word()), start + 1) }
        for symbol in FilterToken.Symbol.allCases
        where bytes[offset...].starts(with: symbol.rawValue.utf8) {
            offset += symbol.rawValue.utf8.count
            return (.symbol(symbol), start + 1)
        }
        let shown = byte >= 32 && byte < 127 ? String(UnicodeScalar(byte)) : "byte \(byte)"
        throw FilterError(reason: "\(shown) is not part of a filter", position: start + 1)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
    }

    /// A path: letters, digits, `.`, `[3]`.
    private mutating func word() -> String {
        let start = offset
        while offset < bytes.count {
            let byte = bytes[offset]
            guard
                Self.isLetter(byte) || Self.isDigit(byte) || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]")
            else { break }
            offset += 1
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func number() throws(FilterError) -> FilterToken {
        let start = offset
        offset += 1
        while offset < bytes.count {
            let byte = bytes[offset]
            let isExponentSign =
                (byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+"))
                && bytes[offset - 1] | 0x20 == UInt8(ascii: "e")
                && !bytes[start..<offset].contains(where: { $0 | 0x20 == UInt8(ascii: "x") })
            guard
                Self.isDigit(byte) || Self.isLetter(byte) || byte == UInt8(ascii: ".")
                    || isExponentSign
            else { break }
            offset += 1
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            if let value = Int128(digits.dropFirst(2), radix: 16), digits.utf8.count <= 34 {
                return .integer(text.hasPrefix("-") ? -value : value)
            }
        } else if let value = Int128(text) {
            return .integer(value)
        } else if let value = Double(text), value.isFinite {
            return .decimal(value)
        }
        throw FilterError(reason: "\(text) is not a number", position: start + 1)
    }

    private mutating func text(_ quote: UInt8) throws(FilterError) -> [UInt8] {
        let start = offset
        offset += 1
        var text: [UInt8] = []
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if byte == quote { return text }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard offset < bytes.count else { break }
            let escaped = bytes[offset]
            offset += 1
            switch escaped {
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "t"): text.append(9)
            case UInt8(ascii: "r"): text.append(13)
            case quote, UInt8(ascii: "\\"): text.append(escaped)
            case UInt8(ascii: "*"), UInt8(ascii: "?"):
                // Kept for the pattern that it stands in.
                text.append(UInt8(ascii: "\\"))
                text.append(escaped)
            default:
                throw FilterError(
                    reason: "\\\(String(UnicodeScalar(escaped))) is no escape", position: offset - 1
                )
            }
        }
        throw FilterError(reason: "the text that begins here has no end", position: start + 1)
    }
}
