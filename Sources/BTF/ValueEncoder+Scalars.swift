import JSON

/// What an integer of so many bits can be.
struct IntegerRange {
    let minimum: Int128
    let maximum: UInt128
    /// What a double does not hold exactly also comes as a decimal string (`int64=string`).
    let takesStrings: Bool

    /// - Parameter bits: 1 to 128.
    init(bits: Int, isSigned: Bool) {
        let all = UInt128.max >> UInt128(128 - bits)
        maximum = isSigned ? all >> 1 : all
        minimum = isSigned ? -1 - Int128(all >> 1) : 0
        takesStrings = bits > 53
    }

    var description: String { "\(minimum) to \(maximum)" }

    func contains(_ value: Int128) -> Bool {
        value < 0 ? value >= minimum : UInt128(value) <= maximum
    }
}

extension ValueEncoder {
    /// A client's own text in an error, which is not to become as long as what the client sent.
    func clipped(_ text: String) -> String {
        text.count > 64 ? text.prefix(64) + "…" : text
    }

    func described(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .array, .object: "an \(value.typeName)"
        default: "a \(value.typeName)"
        }
    }

    func integer(_ value: JSONValue, _ range: IntegerRange, _ name: @autoclosure () -> String)
        throws(ValueError) -> UInt128
    {
        let digits: String
        switch value {
        case .number(let number): digits = number.text
        case .string(let text) where range.takesStrings && isDecimal(text): digits = text
        default:
            throw error(
                "an integer for \(name()) (\(range.description)) is wanted, not \(described(value))"
            )
        }
        if let number = Int128(digits) {
            if range.contains(number) { return UInt128(truncatingIfNeeded: number) }
        } else if let number = UInt128(digits) {
            if number <= range.maximum { return number }
        } else if !isDecimal(digits) {
            throw error("\(digits) is not an integer, \(name()) takes \(range.description)")
        }
        throw error("\(digits) is outside the range of \(name()) (\(range.description))")
    }

    /// Digits, with a minus sign or without: not `1e3`, not `1.0`.
    private func isDecimal(_ text: String) -> Bool {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.allSatisfy { $0 &- UInt8(ascii: "0") < 10 }
    }

    func bool(_ value: JSONValue, _ node: ValueNode) throws(ValueError) -> Bool {
        guard case .bool(let value) = value else {
            throw error(
                "true or false for \(layout.typeName(node)) is wanted, not \(described(value))")
        }
        return value
    }

    func enumeration(_ value: JSONValue, _ table: Int, _ bits: Int, _ node: ValueNode)
        throws(ValueError) -> UInt128
    {
        let enumeration = layout.enumerations[table]
        let range = IntegerRange(bits: bits, isSigned: enumeration.isSigned)
        guard case .string(let name) = value else {
            return try integer(value, range, layout.typeName(node))
        }
        guard let number = enumeration.valuesByName[name] else {
            let names = enumeration.names.prefix(16).joined(separator: ", ")
            let more = enumeration.names.count > 16 ? ", …" : ""
            throw error(
                "\(layout.typeName(node)) has no \"\(clipped(name))\": it has \(names)\(more); "
                    + "a number (\(range.description)) is taken too")
        }
        // A bitfield can be too small for its enum's numbers.
        guard range.contains(number) else {
            throw error("\(name) is \(number), outside the range of \(bits) bits")
        }
        return UInt128(truncatingIfNeeded: number)
    }

    mutating func float(_ value: JSONValue, _ node: ValueNode, at offset: Int) throws(ValueError) {
        let name =
            node.size == 4
            ? "\(Float.greatestFiniteMagnitude)"
            : "\(Double.greatestFiniteMagnitude)"
        let text: String
        switch value {
        case .number(let number): text = number.text
        case .string("NaN"): text = "nan"
        case .string("Infinity"): text = "inf"
        case .string("-Infinity"): text = "-inf"
        default:
            throw error(
                "a number for \(layout.typeName(node)) (-\(name) to \(name)) is wanted, "
                    + "not \(described(value))")
        }
        let isNumber = value.number != nil
        let bits: UInt64?
        if node.size == 4 {
            bits = Float(text).flatMap { isNumber && !$0.isFinite ? nil : UInt64($0.bitPattern) }
        } else {
            bits = Double(text).flatMap { isNumber && !$0.isFinite ? nil : $0.bitPattern }
        }
        guard let bits else {
            throw error(
                "\(text) is outside the range of \(layout.typeName(node)) (-\(name) to \(name))")
        }
        for byte in 0..<node.size {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte))
        }
    }

    func hex(_ digits: Substring.UTF8View, _ node: ValueNode) throws(ValueError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for character in digits {
            guard let digit = JSONText.hexDigit(character) else {
                throw error(
                    "hex text for \(layout.typeName(node)) has a character that is no hex digit")
            }
            if let first = high {
                result.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        guard high == nil else {
            throw error(
                "hex text of \(digits.count) digits for \(layout.typeName(node)): two a byte")
        }
        return result
    }
}
