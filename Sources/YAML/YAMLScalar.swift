internal import JSON
internal import Yams

/// A scalar by the core schema of YAML 1.2, section 10.3.
enum YAMLScalar {
    static func value(_ scalar: Node.Scalar) throws(YAMLError) -> JSONValue {
        switch scalar.tag.rawValue {
        case "":
            return scalar.style == .plain ? plain(scalar.string) : .string(scalar.string)
        case "!", "tag:yaml.org,2002:str": return .string(scalar.string)
        case let tag:
            throw YAMLError(reason: "the tag \(tag) is not taken" + place(scalar.mark))
        }
    }

    static func place(_ mark: Mark?) -> String {
        mark.map { ", at line \($0.line), column \($0.column)" } ?? ""
    }

    static func plain(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: return integer(text) ?? float(text) ?? .string(text)
        }
    }

    private static func integer(_ text: String) -> JSONValue? {
        if text.hasPrefix("0x") || text.hasPrefix("0o") {
            let digits = text.dropFirst(2)
            guard !digits.hasPrefix("+"), !digits.hasPrefix("-") else { return nil }
            return UInt64(digits, radix: text.hasPrefix("0x") ? 16 : 8).map { JSONValue($0) }
        }
        let isSigned = text.hasPrefix("-") || text.hasPrefix("+")
        let digits = isSigned ? text.dropFirst() : text[...]
        guard (1...64).contains(digits.utf8.count), digits.utf8.allSatisfy(isDigit) else {
            return nil
        }
        var kept = digits.drop { $0 == "0" }
        if kept.isEmpty { kept = "0" }
        let sign = text.hasPrefix("-") && kept != "0" ? "-" : ""
        return .number(JSONNumber(text: sign + kept))
    }

    /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
    private static func float(_ text: String) -> JSONValue? {
        guard text.utf8.count <= 64, text.utf8.contains(where: isDigit),
            text.utf8.allSatisfy({ isDigit($0) || "+-.eE".utf8.contains($0) }),
            let number = Double(text), number.isFinite
        else { return nil }
        return JSONValue(number)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
