public import JSON

extension ValuePlan {
    /// A top-level member of the struct, union or data section; for rules and filters that read
    /// single values out of records (`pid`, `ts_ns`).
    public struct Member: Sendable {
        /// `kernel` is what belongs to the kernel: locks, timers, kptrs.
        public enum Kind: Sendable, Hashable {
            case integer, bool, enumeration, float, pointer, text, bytes, array, structure, kernel
            case address, histogram
        }

        public let name: String
        public let kind: Kind
        /// As C writes it: `__u32`, `enum state`, `char[16]`.
        public let typeName: String
        /// Bytes from the start of the record; of a bitfield, the byte in which it starts.
        public let offset: Int
        /// Bytes; of a bitfield, those of its declared type.
        public let size: Int
        public let isSigned: Bool
        /// Bits of a bitfield, and the bit, from the start of the record, where it starts.
        public let bits: (offset: Int, size: Int)?
        /// Whether an integer is in network order.
        public let isBigEndian: Bool
        /// Whether it is the array at the end of the record that takes what bytes are left.
        public var isFlexible = false
        /// Of what lies in an element of a flexible array: bytes up to the element's end, which a
        /// value must have to have the element. 0 of all others.
        public var elementEnd = 0
        fileprivate let enumeration: Int?
        fileprivate let node: Int

        /// Whether `integer(_:in:)` can read it.
        public var isInteger: Bool {
            switch kind {
            case .integer, .bool, .enumeration, .pointer: true
            default: false
            }
        }
    }

    /// The members in their order, those of anonymous members among them; empty where the value is
    /// no struct. Made anew by each call: keep what you need.
    public var members: [Member] {
        let layout = compiled.layout
        guard case .composite(let number) = layout.nodes[layout.root].shape else { return [] }
        return layout.composites[number].fields.map { member($0, named: $0.name, at: 0) }
    }

    /// - Parameter offset: bytes from the start of the record to the field's parent.
    func member(_ field: ValueField, named name: String, at offset: Int) -> Member {
        member(
            field.node, named: name, at: offset + field.offset,
            bits: field.bits.map { (8 * offset + $0.offset, $0.size) },
            isFlexible: field.isFlexible)
    }

    func member(
        _ index: Int, named name: String, at offset: Int, bits: (offset: Int, size: Int)? = nil,
        isFlexible: Bool = false
    ) -> Member {
        let layout = compiled.layout
        let node = layout.nodes[index]
        let (kind, isSigned, enumeration) = describe(node)
        var isBigEndian = false
        if case .bigEndian = node.shape { isBigEndian = true }
        return Member(
            name: name, kind: kind, typeName: layout.typeName(node), offset: offset,
            size: node.size, isSigned: isSigned, bits: bits, isBigEndian: isBigEndian,
            isFlexible: isFlexible, enumeration: enumeration, node: index)
    }

    /// The members of a member that is a struct or a union, by their paths; none of others.
    public func members(of member: Member) -> [Member] {
        let layout = compiled.layout
        guard case .composite(let number) = layout.nodes[member.node].shape else { return [] }
        return layout.composites[number].fields.map { field in
            self.member(field, named: "\(member.name).\(field.name)", at: member.offset)
        }
    }

    /// How many elements a member has that is an array, but for text and bytes; `nil` of others.
    public func elementCount(of member: Member) -> Int? {
        guard case .array(_, let count) = compiled.layout.nodes[member.node].shape else {
            return nil
        }
        return count
    }

    /// The number that an enum's member has for a name; `nil` for members that are no enum.
    public func number(of name: String, in member: Member) -> Int128? {
        member.enumeration.flatMap { compiled.layout.enumerations[$0].valuesByName[name] }
    }

    /// The names of an enum's numbers, as declared; none for members that are no enum.
    public func enumerators(of member: Member) -> [(name: String, value: Int128)] {
        guard let table = member.enumeration else { return [] }
        let enumeration = compiled.layout.enumerations[table]
        return enumeration.names.compactMap { name in
            enumeration.valuesByName[name].map { (name, $0) }
        }
    }

    /// The value of one member in a record that is zero else.
    public func encode(_ value: JSONValue, as member: Member) throws(ValueError) -> [UInt8] {
        var encoder = ValueEncoder(compiled.layout, at: .root, maximumSize: size)
        if let bits = member.bits {
            try encoder.bitfield(
                value, ValueField.Bits(offset: bits.offset, size: bits.size),
                compiled.layout.nodes[member.node], at: 0)
        } else {
            try encoder.encode(member.node, value, at: member.offset, isTail: false)
        }
        return encoder.bytes
    }

    /// The number that a `float` or `double` has in `record`.
    public func float(_ member: Member, in record: Span<UInt8>) -> Double? {
        guard member.kind == .float else { return nil }
        var bits: UInt64 = 0
        for byte in 0..<member.size {
            bits |= UInt64(record[member.offset + byte]) << UInt64(8 * byte)
        }
        return member.size == 4
            ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
            : Double(bitPattern: bits)
    }

    /// The member of this name; looks through `members`, so not for each record.
    public func member(named name: String) -> Member? { members.first { $0.name == name } }

    private func describe(_ node: ValueNode) -> (Member.Kind, isSigned: Bool, enumeration: Int?) {
        switch node.shape {
        case .integer(let isSigned): (.integer, isSigned, nil)
        case .bool: (.bool, false, nil)
        case .float: (.float, true, nil)
        case .enumeration(let table):
            (.enumeration, compiled.layout.enumerations[table].isSigned, table)
        case .pointer: (.pointer, false, nil)
        case .bigEndian(let isSigned): (.integer, isSigned, nil)
        case .address, .hardwareAddress: (.address, false, nil)
        case .histogram: (.histogram, false, nil)
        case .text: (.text, false, nil)
        case .bytes, .raw: (.bytes, false, nil)
        case .opaque: (.kernel, false, nil)
        case .array, .elements: (.array, false, nil)
        case .composite: (.structure, false, nil)
        }
    }

    /// The number that `member` of this plan has in `record`, exactly; of a bool 0 or 1, of an enum
    /// its number, of a pointer its address. `nil` for members that are no integer, and for
    /// unsigned ones beyond 2^127-1.
    /// - Parameter record: at least `size` bytes.
    public func integer(_ member: Member, in record: Span<UInt8>) -> Int128? {
        guard member.isInteger else { return nil }
        if member.isBigEndian {
            let bytes = record.extracting(member.offset..<member.offset + member.size)
            let value = bigEndian(bytes, isSigned: member.isSigned)
            return member.isSigned || value >= 0 ? value : nil
        }
        let (start, count) = member.bits ?? (8 * member.offset, 8 * member.size)
        var value: UInt128 = 0
        var filled = 0
        var bit = start
        while filled < count {
            value |= UInt128(record[bit / 8] >> UInt8(bit % 8)) << UInt128(filled)
            filled += 8 - bit % 8
            bit += 8 - bit % 8
        }
        if count < 128 { value &= 1 << UInt128(count) - 1 }
        if member.kind == .bool { return value == 0 ? 0 : 1 }
        return member.isSigned
            ? signExtended(value, count) : Int128(exactly: value)
    }

    /// Whether an enum has a name for the number; `true` for members that are no enum.
    public func isKnown(_ value: Int128, of member: Member) -> Bool {
        guard let table = member.enumeration else { return true }
        let enumeration = compiled.layout.enumerations[table]
        return enumeration.find(UInt64(truncatingIfNeeded: value) & enumeration.mask) != nil
    }
}

extension ValuePlan {
    /// The value itself as a member that begins at 0; its name is empty.
    public var whole: Member {
        member(compiled.layout.root, named: "", at: 0)
    }

    /// The integers that a value consists of, those of nested structs and arrays among them, by
    /// their offset in the value. `other` is a clause that names the first part which is none, or
    /// is a bitfield or in a union: such a value has no sum.
    public var numbers: (members: [Member], other: String?) {
        var members: [Member] = []
        let other = collect(compiled.layout.root, 0, &members)
        return (members, other)
    }

    private func collect(_ index: Int, _ offset: Int, _ members: inout [Member]) -> String? {
        let layout = compiled.layout
        let node = layout.nodes[index]
        switch node.shape {
        case .integer:
            guard members.count < 65_536 else { return "it has more than 65536 of them" }
            members.append(member(index, named: "", at: offset))
            return nil
        case .histogram(let elementSize, let count):
            for place in 0..<count {
                members.append(
                    Member(
                        name: "", kind: .integer, typeName: "a counter",
                        offset: offset + place * elementSize, size: elementSize, isSigned: false,
                        bits: nil, isBigEndian: false, enumeration: nil, node: index))
            }
            return nil
        case .array(let element, let count):
            let stride = layout.nodes[element].size
            for place in 0..<count {
                if let other = collect(element, offset + place * stride, &members) { return other }
            }
            return nil
        case .composite(let number):
            for field in layout.composites[number].fields {
                if field.bits != nil || !field.choices.isEmpty {
                    return "\"\(field.name)\" is in a union or a bitfield"
                }
                if let other = collect(field.node, offset + field.offset, &members) {
                    return other
                }
            }
            return nil
        default: return "there is a \(layout.typeName(node)) in it"
        }
    }
}
