extension ValuePlan {
    /// A top-level member of the struct, union or data section; for rules and filters that read
    /// single values out of records (`pid`, `ts_ns`).
    public struct Member: Sendable {
        /// `kernel` is what belongs to the kernel: locks, timers, kptrs.
        public enum Kind: Sendable, Hashable {
            case integer, bool, enumeration, float, pointer, text, bytes, array, structure, kernel
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
        /// Whether it is the array at the end of the record that takes what bytes are left.
        public var isFlexible = false
        fileprivate let enumeration: Int?

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
        return layout.composites[number].fields.map { member($0, base: 0, name: $0.name) }
    }

    private func member(_ field: ValueField, base: Int, name: String) -> Member {
        let node = compiled.layout.nodes[field.node]
        let (kind, isSigned, enumeration) = describe(node)
        return Member(
            name: name, kind: kind, typeName: compiled.layout.typeName(node),
            offset: base + field.offset, size: node.size, isSigned: isSigned,
            bits: field.bits.map { (8 * base + $0.offset, $0.size) },
            isFlexible: field.isFlexible, enumeration: enumeration)
    }

    /// The member at a path, `task.pid` or `args[1]`: members of structs by name, elements of
    /// arrays of a fixed length by number. `nil` where there is none.
    public func member(at path: String) -> Member? {
        guard let steps = PathStep.parse(path) else { return nil }
        let layout = compiled.layout
        var found: Member?
        var (node, base) = (layout.root, 0)
        for step in steps {
            switch (step, layout.nodes[node].shape) {
            case (.name(let name), .composite(let number)):
                let composite = layout.composites[number]
                guard let index = composite.index[name] else { return nil }
                let field = composite.fields[index]
                found = member(field, base: base, name: path)
                (node, base) = (field.node, base + field.offset)
            case (.index(let index), .array(let element, let count)):
                guard index < count else { return nil }
                base += index * layout.nodes[element].size
                node = element
                let (kind, isSigned, enumeration) = describe(layout.nodes[node])
                found = Member(
                    name: path, kind: kind, typeName: layout.typeName(layout.nodes[node]),
                    offset: base, size: layout.nodes[node].size, isSigned: isSigned, bits: nil,
                    enumeration: enumeration)
            default: return nil
            }
        }
        return found
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
        case .text: (.text, false, nil)
        case .bytes, .raw: (.bytes, false, nil)
        case .opaque: (.kernel, false, nil)
        case .array: (.array, false, nil)
        case .composite: (.structure, false, nil)
        }
    }

    /// The number that `member` of this plan has in `record`, exactly; of a bool 0 or 1, of an enum
    /// its number, of a pointer its address. `nil` for members that are no integer, and for
    /// unsigned ones beyond 2^127-1.
    /// - Parameter record: at least `size` bytes.
    public func integer(_ member: Member, in record: Span<UInt8>) -> Int128? {
        guard member.isInteger else { return nil }
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
        let node = compiled.layout.nodes[compiled.layout.root]
        let (kind, isSigned, enumeration) = describe(node)
        return Member(
            name: "", kind: kind, typeName: compiled.layout.typeName(node), offset: 0,
            size: node.size, isSigned: isSigned, bits: nil, enumeration: enumeration)
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
        case .integer(let isSigned):
            guard members.count < 65_536 else { return "it has more than 65536 of them" }
            members.append(
                Member(
                    name: "", kind: .integer, typeName: layout.typeName(node), offset: offset,
                    size: node.size, isSigned: isSigned, bits: nil, enumeration: nil))
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

/// One step of a path to a member.
enum PathStep {
    case name(String)
    case index(Int)

    /// `a.b[3].c`; at most 32 steps.
    static func parse(_ path: String) -> [PathStep]? {
        var steps: [PathStep] = []
        for part in path.split(separator: ".", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
            guard let name = pieces.first, !name.isEmpty else { return nil }
            steps.append(.name(String(name)))
            for piece in pieces.dropFirst() {
                guard piece.last == "]", let index = Int(piece.dropLast()), index >= 0 else {
                    return nil
                }
                steps.append(.index(index))
            }
        }
        return steps.count <= 32 ? steps : nil
    }
}
