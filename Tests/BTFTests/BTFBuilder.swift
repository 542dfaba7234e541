import BTF

/// Encodes types as a BTF blob, so that fixtures are readable: each function adds one type and
/// answers its id.
struct BTFBuilder {
    typealias ID = BTFTypes.ID

    /// A member of a struct or union; `bits` makes it a bitfield of the new encoding.
    struct Member {
        var name: String
        var type: ID
        /// Bits from the start of the struct.
        var bit: Int
        var bits: Int = 0

        init(_ name: String, _ type: ID, at byte: Int) {
            (self.name, self.type, bit) = (name, type, 8 * byte)
        }
        init(_ name: String, _ type: ID, bit: Int, bits: Int) {
            (self.name, self.type, self.bit, self.bits) = (name, type, bit, bits)
        }
    }

    private(set) var words: [UInt32] = []
    private(set) var strings: [UInt8]
    private var stringOffset: Int
    private(set) var next: ID

    init() {
        strings = [0]
        stringOffset = 0
        next = 1
    }

    /// Split BTF on top of what `base` has built.
    init(splitFrom base: BTFBuilder) {
        strings = []
        stringOffset = base.stringOffset + base.strings.count
        next = base.next
    }

    mutating func string(_ text: String) -> UInt32 {
        if text.isEmpty { return 0 }
        defer { strings += Array(text.utf8) + [0] }
        return UInt32(stringOffset + strings.count)
    }

    mutating func add(
        _ kind: UInt32, _ name: String, _ third: UInt32, count: Int = 0, flag: Bool = false,
        _ more: [UInt32] = []
    ) -> ID {
        words += [string(name), kind << 24 | UInt32(count) | (flag ? 1 << 31 : 0), third] + more
        next += 1
        return next - 1
    }

    /// - Parameter encoding: 1 signed, 2 char, 4 bool.
    mutating func int(
        _ name: String, size: Int, encoding: UInt32 = 0, bits: Int? = nil, offset: UInt32 = 0
    ) -> ID {
        add(
            1, name, UInt32(size), [encoding << 24 | offset << 16 | UInt32(bits ?? 8 * size)])
    }

    mutating func pointer(to type: ID) -> ID { add(2, "", type) }
    mutating func array(of type: ID, _ count: Int, index: ID = 0) -> ID {
        add(3, "", 0, [type, index, UInt32(count)])
    }
    mutating func structure(_ name: String, size: Int, _ members: [Member]) -> ID {
        composite(4, name, size, members)
    }
    mutating func union(_ name: String, size: Int, _ members: [Member]) -> ID {
        composite(5, name, size, members)
    }
    private mutating func composite(
        _ kind: UInt32, _ name: String, _ size: Int, _ members: [Member]
    ) -> ID {
        let flag = members.contains { $0.bits > 0 }
        let words = members.flatMap { member in
            [string(member.name), member.type, UInt32(member.bit) | UInt32(member.bits) << 24]
        }
        return add(kind, name, UInt32(size), count: members.count, flag: flag, words)
    }
    mutating func enumeration(_ name: String, size: Int = 4, _ values: KeyValuePairs<String, Int32>)
        -> ID
    {
        let words = values.flatMap { [string($0.key), UInt32(bitPattern: $0.value)] }
        let flag = values.contains { $0.value < 0 }
        return add(6, name, UInt32(size), count: values.count, flag: flag, words)
    }
    mutating func enumeration64(
        _ name: String, size: Int = 8, signed: Bool, _ values: KeyValuePairs<String, UInt64>
    ) -> ID {
        let words = values.flatMap {
            [string($0.key), UInt32(truncatingIfNeeded: $0.value), UInt32($0.value >> 32)]
        }
        return add(19, name, UInt32(size), count: values.count, flag: signed, words)
    }
    mutating func forward(_ name: String) -> ID { add(7, name, 0) }
    mutating func typedef(_ name: String, _ type: ID) -> ID { add(8, name, type) }
    mutating func volatile(_ type: ID) -> ID { add(9, "", type) }
    mutating func const(_ type: ID) -> ID { add(10, "", type) }
    mutating func restrict(_ type: ID) -> ID { add(11, "", type) }
    mutating func function(_ name: String, _ prototype: ID) -> ID { add(12, name, prototype) }
    mutating func prototype(result: ID, _ parameters: [(String, ID)]) -> ID {
        let words = parameters.flatMap { [string($0.0), $0.1] }
        return add(13, "", result, count: parameters.count, words)
    }
    mutating func variable(_ name: String, _ type: ID) -> ID { add(14, name, type, [1]) }
    mutating func section(_ name: String, size: Int, _ variables: [(ID, offset: Int, size: Int)])
        -> ID
    {
        let words = variables.flatMap { [$0.0, UInt32($0.offset), UInt32($0.size)] }
        return add(15, name, UInt32(size), count: variables.count, words)
    }
    mutating func float(_ name: String, size: Int) -> ID { add(16, name, UInt32(size)) }
    mutating func declarationTag(_ text: String, on type: ID, member: Int = -1) -> ID {
        add(17, text, type, [UInt32(bitPattern: Int32(member))])
    }
    mutating func typeTag(_ text: String, _ type: ID) -> ID { add(18, text, type) }

    /// The blob.
    var bytes: [UInt8] {
        let types = words.flatMap(little)
        let header: [UInt32] = [
            24, 0, UInt32(types.count), UInt32(types.count), UInt32(strings.count),
        ]
        return [0x9F, 0xEB, 1, 0] + header.flatMap(little) + types + strings
    }

    func types(base: BTFTypes? = nil) throws(BTFError) -> BTFTypes {
        try BTFTypes(parsing: bytes, base: base)
    }
}

/// The number's bytes, lowest first.
func little(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}
