import JSON

/// The nodes of a type, made from BTF, everything checked that rendering and writing rely on.
///
/// Bounded whatever the blob says: each type becomes one node, members of anonymous members count
/// against a budget, sizes and texts have limits.
struct ValueLayout: Sendable {
    let types: BTFTypes?
    var nodes: [ValueNode] = []
    var composites: [ValueComposite] = []
    private(set) var enumerations: [ValueEnumeration] = []
    var root = 0

    /// Node by declared type; `nil` while it is being made.
    private var known: [BTFTypes.ID: Int?] = [:]
    /// The same for types that a tag has shown otherwise.
    private var nodesOfTags: [Noted: Int] = [:]
    private var notations: ValueNotations?
    private var membersLeft = 1 << 17
    private static let maximumSize = 1 << 30
    private static let mostEmptyElements = 1024
    private static let maximumDepth = 64

    private struct Noted: Hashable {
        let type: BTFTypes.ID
        let notation: ValueNotation
    }

    init(_ types: BTFTypes, type: BTFTypes.ID, shownAs notation: ValueNotation? = nil)
        throws(BTFError)
    {
        self.types = types
        notations = ValueNotations(types)
        if let tagged = try noted(type, notation, types, depth: 0) {
            root = tagged
        } else {
            root = try node(of: type, types, depth: 0)
        }
        known = [:]
        nodesOfTags = [:]
        notations = nil
        let top = nodes[root]
        guard top.textSize <= ValueNode.maximumTextSize,
            top.operationCount <= ValueNode.maximumOperationCount, top.size <= Self.maximumSize
        else {
            throw BTFError("\(types.spelling(of: type)) is too large to be shown")
        }
    }

    /// Of a variable's values, which its own tags may want shown otherwise than its type's.
    init(_ types: BTFTypes, variable: BTFTypes.Variable) throws(BTFError) {
        let notation = ValueNotations(types).onType(variable.id, types)
        try self.init(types, type: variable.type, shownAs: notation)
    }

    init(untyped size: Int) {
        types = nil
        switch size {
        case 1, 2, 4, 8: append(.integer(isSigned: false), size, nil, text: 22)
        default: append(.raw, size, nil, text: 2 * size + 6)
        }
    }

    /// How error texts call the node's type.
    func typeName(_ node: ValueNode) -> String {
        guard let types, let type = node.type else {
            return node.size == 1 ? "1 byte" : "\(node.size) bytes"
        }
        return types.spelling(of: type)
    }

    @discardableResult
    private mutating func append(
        _ shape: ValueNode.Shape, _ size: Int, _ type: BTFTypes.ID?, text: Int, operations: Int = 1,
        isFlexible: Bool = false
    ) -> Int {
        nodes.append(
            ValueNode(
                shape: shape, size: size, type: type, textSize: text, operationCount: operations,
                isFlexible: isFlexible))
        return nodes.count - 1
    }

    private mutating func node(of type: BTFTypes.ID, _ types: BTFTypes, depth: Int)
        throws(BTFError) -> Int
    {
        if let known = known[type] {
            guard let known else {
                throw BTFError("\(types.spelling(of: type)) contains itself")
            }
            return known
        }
        guard depth < Self.maximumDepth else {
            throw BTFError("types nested deeper than \(Self.maximumDepth) levels")
        }
        known[type] = .some(nil)
        let notation = notations?.onType(type, types)
        let tagged = try noted(type, notation, types, depth: depth)
        let node: Int
        if let tagged { node = tagged } else { node = try make(type, types, depth: depth) }
        known[type] = node
        return node
    }

    /// A node of the notation, or an array of such; nil where the type does not fit it.
    private mutating func noted(
        _ type: BTFTypes.ID, _ notation: ValueNotation?, _ types: BTFTypes, depth: Int
    ) throws(BTFError) -> Int? {
        guard let notation else { return nil }
        let key = Noted(type: type, notation: notation)
        if let known = nodesOfTags[key] { return known }
        var made: Int?
        if let shape = notation.shape(types, type), let size = types.size(of: type) {
            made = append(shape, size, type, text: Self.textSize(shape))
        } else if let (element, count) = types.array(of: type), depth < Self.maximumDepth,
            let inner = try noted(element, notation, types, depth: depth + 1)
        {
            made = try array(type, of: inner, count: count, types)
        }
        if let made { nodesOfTags[key] = made }
        return made
    }

    private static func textSize(_ shape: ValueNode.Shape) -> Int {
        switch shape {
        case .address: 48
        case .hardwareAddress: 20
        case .bigEndian: 42
        case .histogram(_, let count): count * 100 + 2
        default: 0
        }
    }

    private mutating func make(_ type: BTFTypes.ID, _ types: BTFTypes, depth: Int)
        throws(BTFError) -> Int
    {
        guard let record = types.record(of: types.resolve(type)) else {
            throw BTFError("\(types.spelling(of: type)) has no values")
        }
        let size = Int(record.sizeOrType)
        switch record.kind {
        case .int: return try integer(type, types)
        case .float:
            guard size <= 16 else {
                throw BTFError("\(types.spelling(of: type)) has \(size) bytes")
            }
            let isNumber = size == 4 || size == 8
            return append(
                isNumber ? .float : .bytes, size, type, text: isNumber ? 34 : 2 * size + 2)
        case .pointer:
            if let tag = types.kernelPointerTag(record.sizeOrType) {
                return append(.opaque(tag), 8, type, text: tag.utf8.count * 6 + 2)
            }
            return append(.pointer, 8, type, text: 20)
        case .enumeration, .enumeration64: return try enumeration(type, types, size)
        case .array: return try array(type, record, types, depth: depth)
        case .structure, .union:
            let name = types.string(at: record.nameOffset)
            if record.kind == .structure, kernelStructs.contains(name) {
                return append(.opaque(name), size, type, text: name.utf8.count + 2)
            }
            return try composite(type, record, types, depth: depth)
        case .dataSection:
            return try section(type, types, size, depth: depth)
        case .variable: return try node(of: record.sizeOrType, types, depth: depth + 1)
        default: throw BTFError("\(types.spelling(of: type)) has no values")
        }
    }

    private mutating func integer(_ type: BTFTypes.ID, _ types: BTFTypes) throws(BTFError) -> Int {
        guard let int = types.integer(of: type), [1, 2, 4, 8, 16].contains(int.size) else {
            throw BTFError("\(types.spelling(of: type)) is an integer of an unknown size")
        }
        if int.isBool { return append(.bool, int.size, type, text: 5) }
        return append(.integer(isSigned: int.isSigned), int.size, type, text: 42)
    }

    private mutating func enumeration(_ type: BTFTypes.ID, _ types: BTFTypes, _ size: Int)
        throws(BTFError) -> Int
    {
        guard [1, 2, 4, 8].contains(size) else {
            throw BTFError("\(types.spelling(of: type)) has \(size) bytes")
        }
        let names = ValueEnumeration(
            types.enumerators(of: type), size: size, isSigned: types.isSignedEnumeration(type))
        enumerations.append(names)
        let longest = names.quotedNames.reduce(22) { max($0, $1.count) }
        return append(.enumeration(enumerations.count - 1), size, type, text: longest)
    }

    private mutating func array(
        _ type: BTFTypes.ID, _ record: BTFTypes.Record, _ types: BTFTypes, depth: Int
    ) throws(BTFError) -> Int {
        let (element, count) = (record[0], Int(record[2]))
        guard count <= Self.maximumSize else {
            throw BTFError("\(types.spelling(of: type)) has more than \(Self.maximumSize) elements")
        }
        let isFlexible = count == 0
        if let int = types.integer(of: element), int.size == 1, int.bits == 8, !int.isBool {
            if int.isCharacter {
                return append(.text, count, type, text: 6 * count + 6, isFlexible: isFlexible)
            }
            if !int.isSigned {
                return append(.bytes, count, type, text: 2 * count + 2, isFlexible: isFlexible)
            }
        }
        let index = try self.node(of: element, types, depth: depth + 1)
        return try array(type, of: index, count: count, types)
    }

    private mutating func array(
        _ type: BTFTypes.ID, of index: Int, count: Int, _ types: BTFTypes
    ) throws(BTFError) -> Int {
        let node = nodes[index]
        let (size, overflow) = count.multipliedReportingOverflow(by: node.size)
        guard !overflow, size <= Self.maximumSize else {
            throw BTFError("\(types.spelling(of: type)) is larger than \(Self.maximumSize) bytes")
        }
        // What takes no bytes would make text without end of a small value.
        guard node.size > 0 || count <= Self.mostEmptyElements else {
            throw BTFError("\(types.spelling(of: type)) has \(count) elements of no size")
        }
        return append(
            .array(element: index, count: count), size, type,
            text: saturating(count, node.textSize + 1) + 2, operations: node.operationCount + 4,
            isFlexible: count == 0)
    }

    private func saturating(_ count: Int, _ size: Int) -> Int {
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        return overflow
            ? ValueNode.maximumTextSize + 1
            : min(product, ValueNode.maximumTextSize + 1)
    }
}

// Members.
extension ValueLayout {
    /// Fields found so far, and how many unions they lie in.
    private struct Collected {
        var fields: [ValueField] = []
        var unionCount = 0
        let size: Int
        let owner: String
    }

    private mutating func composite(
        _ type: BTFTypes.ID, _ record: BTFTypes.Record, _ types: BTFTypes, depth: Int
    ) throws(BTFError) -> Int {
        let size = Int(record.sizeOrType)
        guard size <= Self.maximumSize else {
            throw BTFError("\(types.spelling(of: type)) is larger than \(Self.maximumSize) bytes")
        }
        var collected = Collected(size: size, owner: types.spelling(of: type))
        try collect(
            types.resolve(type), record, types, at: 0, choices: [], into: &collected, depth: depth)
        return try finish(collected, type, isUnion: record.kind == .union)
    }

    private mutating func finish(
        _ collected: Collected, _ type: BTFTypes.ID, isUnion: Bool
    ) throws(BTFError) -> Int {
        var index: [String: Int] = [:]
        var (text, operations) = (2, 2)
        for (number, field) in collected.fields.enumerated() {
            guard index.updateValue(number, forKey: field.name) == nil else {
                throw BTFError("\(collected.owner) has two members named \(field.name)")
            }
            let node = nodes[field.node]
            text = min(
                text + node.textSize + 6 * field.name.utf8.count + 4,
                ValueNode.maximumTextSize + 1)
            // Names count too, so that few long ones cannot make a large program.
            operations = min(
                operations + node.operationCount + field.name.utf8.count / 64,
                ValueNode.maximumOperationCount + 1)
        }
        let fields = markFlexible(collected.fields)
        composites.append(
            ValueComposite(
                fields: fields, index: index, isUnion: isUnion,
                gaps: gaps(fields, size: collected.size)))
        return append(
            .composite(composites.count - 1), collected.size, type, text: text,
            operations: operations, isFlexible: fields.contains(where: \.isFlexible))
    }

    /// Bits that belong to no field.
    private func gaps(_ fields: [ValueField], size: Int) -> [Range<Int>] {
        let taken = fields.map { field in
            field.bits.map { $0.offset..<$0.offset + $0.size }
                ?? 8 * field.offset..<8 * (field.offset + nodes[field.node].size)
        }
        var gaps: [Range<Int>] = []
        var end = 0
        for range in taken.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > end { gaps.append(end..<range.lowerBound) }
            end = max(end, range.upperBound)
        }
        if end < 8 * size { gaps.append(end..<8 * size) }
        return gaps
    }

    /// Finds the flexible arrays that nothing lies behind, but for alternatives in a union. Of more
    /// than 64 candidates none is taken: no C program has them.
    private func markFlexible(_ fields: [ValueField]) -> [ValueField] {
        let candidates = fields.indices.filter { nodes[fields[$0].node].isFlexible }
        guard !candidates.isEmpty, candidates.count <= 64 else { return fields }
        var marked = fields
        for index in candidates {
            let field = fields[index]
            marked[index].isFlexible = fields.indices.allSatisfy { other in
                other == index || fields[other].offset < field.offset
                    || nodes[fields[other].node].size == 0
                    || !fields[other].isCompatible(with: field)
            }
        }
        return marked
    }

    /// The members of `record`, which lies at the bit `start` of the struct that is being
    /// collected.
    private mutating func collect(
        _ type: BTFTypes.ID, _ record: BTFTypes.Record, _ types: BTFTypes, at start: Int,
        choices: [ValueField.Choice],
        into collected: inout Collected, depth: Int
    ) throws(BTFError) {
        guard depth < Self.maximumDepth else {
            throw BTFError("types nested deeper than \(Self.maximumDepth) levels")
        }
        let union = collected.unionCount
        if record.kind == .union { collected.unionCount += 1 }
        for number in 0..<record.count {
            membersLeft -= 1
            guard membersLeft > 0 else { throw BTFError("\(collected.owner) has too many members") }
            let member = types.member(number, of: record)
            var choices = choices
            if record.kind == .union {
                choices.append(ValueField.Choice(union: union, alternative: number))
            }
            if member.name.isEmpty {
                let innerType = types.resolve(member.type)
                guard let inner = types.record(of: innerType),
                    inner.kind == .structure || inner.kind == .union
                else { continue }
                try collect(
                    innerType, inner, types, at: start + member.bitOffset, choices: choices,
                    into: &collected,
                    depth: depth + 1)
                continue
            }
            try add(
                member, at: start + member.bitOffset, types, choices, &collected, depth: depth,
                notation: member.bitSize == nil ? notations?.onMember(number, of: type) : nil)
        }
    }

    private mutating func add(
        _ member: BTFTypes.Member, at bit: Int, _ types: BTFTypes,
        _ choices: [ValueField.Choice], _ collected: inout Collected, depth: Int,
        notation: ValueNotation?
    ) throws(BTFError) {
        let tagged = try noted(member.type, notation, types, depth: depth + 1)
        let index: Int
        if let tagged {
            index = tagged
        } else {
            index = try node(of: member.type, types, depth: depth + 1)
        }
        let place = "\(member.name) of \(collected.owner)"
        if let size = member.bitSize {
            guard size >= 1, size <= 128, bit + size <= 8 * collected.size else {
                throw BTFError("the bitfield \(place) has \(size) bits at bit \(bit)")
            }
            switch nodes[index].shape {
            case .integer, .bool, .enumeration: break
            default: throw BTFError("the bitfield \(place) is not an integer")
            }
            let bits = ValueField.Bits(offset: bit, size: size)
            collected.fields.append(
                ValueField(
                    name: member.name, node: index, offset: bit / 8, bits: bits, choices: choices))
            return
        }
        guard bit % 8 == 0 else { throw BTFError("\(place) starts at bit \(bit)") }
        guard bit / 8 + nodes[index].size <= collected.size else {
            throw BTFError(
                "\(place) ends at byte \(bit / 8 + nodes[index].size) of \(collected.size)")
        }
        collected.fields.append(
            ValueField(name: member.name, node: index, offset: bit / 8, bits: nil, choices: choices)
        )
    }

    /// A data section as a struct of its variables. Static variables of two functions may have one
    /// name: the second is shown as `name.2`.
    private mutating func section(
        _ type: BTFTypes.ID, _ types: BTFTypes, _ size: Int, depth: Int
    ) throws(BTFError) -> Int {
        let variables = types.variables(in: types.resolve(type))
        let end = variables.reduce(size) { max($0, $1.offset + $1.size) }
        guard end <= Self.maximumSize else {
            throw BTFError("\(types.spelling(of: type)) is larger than \(Self.maximumSize) bytes")
        }
        var collected = Collected(size: end, owner: types.spelling(of: type))
        var seen: [String: Int] = [:]
        for variable in variables {
            membersLeft -= 1
            guard membersLeft > 0 else { throw BTFError("\(collected.owner) has too many members") }
            let count = seen[variable.name, default: 0] + 1
            seen[variable.name] = count
            let name = count == 1 ? variable.name : "\(variable.name).\(count)"
            let member = BTFTypes.Member(
                name: name, type: variable.type, bitOffset: 8 * variable.offset, bitSize: nil)
            try add(
                member, at: 8 * variable.offset, types, [], &collected, depth: depth,
                notation: notations?.onType(variable.id, types))
        }
        return try finish(collected, type, isUnion: false)
    }
}

/// Structs whose bytes are the kernel's (`btf_parse_fields` in linux/kernel/bpf/btf.c): a lookup
/// shows zeros there and an update leaves them alone.
private let kernelStructs: Set<String> = [
    "bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer", "bpf_wq", "bpf_task_work", "bpf_list_head",
    "bpf_list_node", "bpf_rb_root", "bpf_rb_node", "bpf_refcount",
]

extension BTFTypes {
    /// The tag that makes a pointer one of the kernel's: `kptr`, `kptr_untrusted`, `percpu_kptr`,
    /// `uptr`.
    fileprivate func kernelPointerTag(_ pointee: ID) -> String? {
        let tags = ["kptr", "kptr_untrusted", "kptr_ref", "percpu_kptr", "uptr"]
        var type = pointee
        for _ in 0..<maximumTypeDepth {
            guard let record = record(of: type) else { return nil }
            switch record.kind {
            case .typeTag:
                let text = string(at: record.nameOffset)
                if tags.contains(text) { return text }
                type = record.sizeOrType
            case .const, .volatile, .restrict: type = record.sizeOrType
            default: return nil
            }
        }
        return nil
    }
}

/// `text` as a JSON string.
func quoted(_ text: String) -> [UInt8] {
    var json = JSONWriter(capacity: 64)
    json.string(text)
    return json.bytes()
}
