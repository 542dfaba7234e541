internal import BTF
internal import JSON

/// Turns comparisons into tests on the bytes of one type.
struct FilterCompiler {
    let type: RecordType

    init(_ type: RecordType) { self.type = type }

    /// Tests of which one must hold, or not hold.
    typealias Alternatives = [(kind: FilterProgram.Kind, isNegated: Bool)]

    func tests(_ comparison: Filter.Comparison) throws(FilterError) -> Alternatives {
        let member = try member(comparison.member, comparison.position)
        if member.isInteger {
            return try integer(comparison, member)
        }
        let bytes = ByteField(member)
        if comparison.operation == .isSet {
            return [member.kind == .text ? (.text(bytes, []), true) : (.notEmpty(bytes), false)]
        }
        switch member.kind {
        case .text: return try text(comparison, bytes)
        case .bytes: return try hex(comparison, bytes)
        case .float: return try float(comparison, member)
        case .address: return try address(comparison, member, bytes)
        default: throw incomparable(member, comparison.position, in: type)
        }
    }

    // MARK: Integers

    private func integer(_ comparison: Filter.Comparison, _ member: ValuePlan.Member)
        throws(FilterError) -> Alternatives
    {
        guard let field = IntegerField(member) else {
            throw FilterError(
                reason: "\(member.name) has more than 64 bits", position: comparison.position)
        }
        if comparison.operation == .isSet { return [(.range(field, low: 0, high: 0), true)] }
        var tests: Alternatives = []
        for operand in comparison.operands {
            tests.append(try test(comparison.operation, operand, member, field))
        }
        return tests
    }

    private func test(
        _ operation: Filter.Operator, _ operand: Filter.Operand, _ member: ValuePlan.Member,
        _ field: IntegerField
    ) throws(FilterError) -> (kind: FilterProgram.Kind, isNegated: Bool) {
        if case .word(let word) = operand.value, value(of: word, member) == nil {
            return try pair(operation, word, operand.position, member, field)
        }
        let number = try number(operand, member)
        let (low, high) = (Int128.min, Int128.max)
        switch operation {
        case .equal, .among: return (.range(field, low: number, high: number), false)
        case .unequal: return (.range(field, low: number, high: number), true)
        case .less: return (.range(field, low: number, high: high), true)
        case .atLeast: return (.range(field, low: number, high: high), false)
        case .atMost: return (.range(field, low: low, high: number), false)
        case .greater: return (.range(field, low: low, high: number), true)
        case .mask: return (.mask(field, UInt64(truncatingIfNeeded: number)), false)
        case .like, .unlike, .isSet:
            throw FilterError(
                reason: "\(operation.rawValue) compares text, and \(member.name) is a "
                    + member.typeName, position: operand.position)
        }
    }

    private func value(of word: String, _ member: ValuePlan.Member) -> Int128? {
        if let named = type.plan.number(of: word, in: member) { return named }
        switch word {
        case "true": return 1
        case "false": return 0
        default: return nil
        }
    }

    private func number(_ operand: Filter.Operand, _ member: ValuePlan.Member)
        throws(FilterError) -> Int128
    {
        switch operand.value {
        case .integer(let number): return number
        case .word(let word): if let number = value(of: word, member) { return number }
        case .text(let text) where member.kind == .enumeration:
            let name = String(decoding: text, as: UTF8.self)
            if let number = type.plan.number(of: name, in: member) { return number }
            let known = type.plan.enumerators(of: member).prefix(20).map(\.name)
            throw FilterError(
                reason: "\(member.typeName) has no \(name): " + known.joined(separator: ", "),
                position: operand.position)
        default: break
        }
        throw FilterError(
            reason: "\(member.name) is a \(member.typeName): compare it with an integer",
            position: operand.position)
    }

    private func pair(
        _ operation: Filter.Operator, _ word: String, _ position: Int,
        _ member: ValuePlan.Member, _ field: IntegerField
    ) throws(FilterError) -> (kind: FilterProgram.Kind, isNegated: Bool) {
        // A word without steps may have been meant for text: then that is said.
        guard let other = try? type.plan.find(word) else {
            throw noOperand(word, member, position, in: type)
        }
        guard let otherField = IntegerField(other) else {
            throw other.isComparable
                ? FilterError(
                    reason: "\(member.name) is a \(member.typeName), and \(word) a "
                        + "\(other.typeName): two members are compared where both are integers",
                    position: position)
                : incomparable(other, position, in: type)
        }
        let order: FilterProgram.Order
        switch operation {
        case .equal, .unequal, .among: order = .equal
        case .less: order = .less
        case .atMost: order = .atMost
        case .greater: order = .greater
        case .atLeast: order = .atLeast
        default:
            throw FilterError(
                reason: "two members cannot be compared by \(operation.rawValue)",
                position: position)
        }
        return (.pair(field, order, otherField), operation == .unequal)
    }

    // MARK: The others

    private func text(_ comparison: Filter.Comparison, _ field: ByteField) throws(FilterError)
        -> Alternatives
    {
        var tests: Alternatives = []
        for operand in comparison.operands {
            guard case .text(let text) = operand.value else {
                throw FilterError(
                    reason: "\(comparison.member) is text: compare it with \"text\"",
                    position: operand.position)
            }
            switch comparison.operation {
            case .equal, .among: tests.append((.text(field, Self.unescaped(text)), false))
            case .unequal: tests.append((.text(field, Self.unescaped(text)), true))
            case .like: tests.append((.pattern(field, GlobPattern(text)), false))
            case .unlike: tests.append((.pattern(field, GlobPattern(text)), true))
            default:
                throw FilterError(
                    reason: "text is compared by ==, !=, ~, !~ and in, not by "
                        + comparison.operation.rawValue, position: comparison.position)
            }
        }
        return tests
    }

    /// Outside patterns `\*` is a star.
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "\\"), index + 1 < text.count,
                text[index + 1] == UInt8(ascii: "*") || text[index + 1] == UInt8(ascii: "?")
            {
                continue
            }
            result.append(byte)
        }
        return result
    }

    private func hex(_ comparison: Filter.Comparison, _ field: ByteField) throws(FilterError)
        -> Alternatives
    {
        try same(
            comparison, field, "bytes",
            "\(comparison.member) is bytes: compare it with their hex, \"0a1b\"", Self.bytes)
    }

    /// An address as it is shown.
    private func address(
        _ comparison: Filter.Comparison, _ member: ValuePlan.Member, _ field: ByteField
    ) throws(FilterError) -> Alternatives {
        try same(
            comparison, field, "addresses",
            "\(comparison.member) is an address: compare it with one as it is shown, in quotes"
        ) { text in
            let value = JSONValue.string(String(decoding: text, as: UTF8.self))
            // What is no address is refused with what one looks like.
            let record = try? type.plan.encode(value, as: member)
            return record.map { Array($0[field.offset..<field.offset + field.size]) }
        }
    }

    /// Whether bytes are those that a text stands for.
    /// - Parameters:
    ///   - what: of such members, in words.
    ///   - advice: where `bytes` gives nil, or it is no text.
    private func same(
        _ comparison: Filter.Comparison, _ field: ByteField, _ what: String, _ advice: String,
        _ bytes: ([UInt8]) -> [UInt8]?
    ) throws(FilterError) -> Alternatives {
        var tests: Alternatives = []
        for operand in comparison.operands {
            guard case .text(let text) = operand.value, let bytes = bytes(text) else {
                throw FilterError(reason: advice, position: operand.position)
            }
            switch comparison.operation {
            case .equal, .among: tests.append((.bytes(field, bytes), false))
            case .unequal: tests.append((.bytes(field, bytes), true))
            default:
                throw FilterError(
                    reason: "\(what) are compared by ==, != and in, not by "
                        + comparison.operation.rawValue, position: comparison.position)
            }
        }
        return tests
    }

    private static func bytes(_ text: [UInt8]) -> [UInt8]? {
        let digits = text.starts(with: "hex:".utf8) ? text[4...] : text[...]
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: digits.startIndex, to: digits.endIndex, by: 2) {
            let pair = String(decoding: digits[start..<start + 2], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private func float(_ comparison: Filter.Comparison, _ member: ValuePlan.Member)
        throws(FilterError) -> Alternatives
    {
        let field = FloatField(
            offset: member.offset, isDouble: member.size == 8,
            end: max(member.offset + member.size, member.elementEnd))
        var tests: Alternatives = []
        for operand in comparison.operands {
            let number: Double
            switch operand.value {
            case .integer(let value): number = Double(value)
            case .decimal(let value): number = value
            default:
                throw FilterError(
                    reason: "\(member.name) is a \(member.typeName): compare it with a number",
                    position: operand.position)
            }
            switch comparison.operation {
            case .equal, .among: tests.append((.number(field, .equal, number), false))
            case .unequal: tests.append((.number(field, .equal, number), true))
            case .less: tests.append((.number(field, .less, number), false))
            case .atMost: tests.append((.number(field, .atMost, number), false))
            case .greater: tests.append((.number(field, .greater, number), false))
            case .atLeast: tests.append((.number(field, .atLeast, number), false))
            default:
                throw FilterError(
                    reason: "numbers are not compared by \(comparison.operation.rawValue)",
                    position: comparison.position)
            }
        }
        return tests
    }
}
