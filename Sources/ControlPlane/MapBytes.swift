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

/// Between a map's bytes and JSON.
struct MapBytes {
    let map: LoadedMap
    let encoding: EntryEncoding

    var cpus: Int { PossibleCPUs.count }
    var isPerCPU: Bool { map.map.info.type.isPerCPU }
    /// The distance of two CPUs' values in what the kernel gives: `round_up(value_size, 8)`.
    var stride: Int { (map.map.info.valueSize + 7) & ~7 }

    // MARK: Reading requests

    /// A key from the URL, whatever `encoding` is to show: a JSON literal, `hex:…`, `base64:…`, or text
    /// that is no JSON, taken as a string.
    func key(inURL text: String) throws(Problem) -> [UInt8] {
        if text.hasPrefix("hex:") || text.hasPrefix("base64:") {
            return try key(.string(text), at: .root)
        }
        let value: JSONValue
        do { value = try JSONValue.parse(text) } catch { value = .string(text) }
        return try MapBytes(map: map, encoding: .typed).key(value, at: .root)
    }

    func key(_ value: JSONValue, at pointer: JSONPointer) throws(Problem) -> [UInt8] {
        let bytes = try bytes(value, map.keyPlan, map.map.info.keySize, "key", pointer)
        let info = map.map.info
        if info.type.isArray, bytes.count == 4 {
            let index = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard index < info.maxEntries else {
                throw Problem(
                    .invalidValue,
                    "Index \(index) is beyond map \(map.name), which has \(info.maxEntries) "
                        + "entries "
                        + "(0 to \(info.maxEntries - 1)).", pointer: pointer.description)
            }
        }
        return bytes
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
            return try bytes(
                value, map.valuePlan, map.map.info.valueSize, "value", pointer.appending("value"))
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
            let bytes = try bytes(
                value, map.valuePlan, map.map.info.valueSize, "value", place.appending(cpu))
            all += bytes
            all += [UInt8](repeating: 0, count: stride - bytes.count)
        }
        return all
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

    // MARK: Writing answers

    /// Appends `{"key":…,"value":…}`, with `values` for a per-CPU map.
    func write(key: [UInt8], value: [UInt8], to json: inout JSONWriter) {
        json.raw("{\"key\":")
        write(key.span, map.keyPlan, to: &json)
        if isPerCPU {
            json.raw(",\"values\":[")
            for cpu in 0..<cpus {
                if cpu > 0 { json.raw(",") }
                let start = cpu * stride
                write(
                    value.span.extracting(start..<start + map.map.info.valueSize), map.valuePlan,
                    to: &json)
            }
            json.raw("]}")
        } else {
            json.raw(",\"value\":")
            write(value.span, map.valuePlan, to: &json)
            json.raw("}")
        }
    }

    private func write(_ bytes: Span<UInt8>, _ plan: ValuePlan, to json: inout JSONWriter) {
        switch encoding {
        case .typed: plan.render(bytes, into: &json)
        case .hex: json.string("hex:" + Hex.encode(bytes))
        case .base64: json.string("base64:" + Base64.encode(bytes))
        }
    }
}

/// Two lower-case digits a byte.
enum Hex {
    static func encode(_ bytes: Span<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for index in bytes.indices {
            text.append(digits[Int(bytes[index] >> 4)])
            text.append(digits[Int(bytes[index] & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for an odd number of digits or something that is none.
    static func decode(_ text: Substring) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in Swift.stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// RFC 4648, section 4, with padding.
public enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: Span<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in Swift.stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for index in 0..<3 {
                group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0)
            }
            for index in 0..<4 {
                let sextet = Int(group >> UInt32(18 - 6 * index)) & 63
                text.append(index <= count ? alphabet[sextet] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for anything that is not exactly base64.
    public static func decode(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 4 == 0 else { return nil }
        var table = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { table[Int(digit)] = UInt8(value) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 4 * 3)
        for start in Swift.stride(from: 0, to: digits.count, by: 4) {
            let isLast = start + 4 == digits.count
            let padding =
                !isLast || digits[start + 3] != UInt8(ascii: "=")
                ? 0 : digits[start + 2] == UInt8(ascii: "=") ? 2 : 1
            var group: UInt32 = 0
            for index in 0..<4 {
                let value = index < 4 - padding ? table[Int(digits[start + index])] : 0
                guard value != 255 else { return nil }
                group = group << 6 | UInt32(value)
            }
            for index in 0..<(3 - padding) {
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index)))
            }
        }
        return bytes
    }
}
