/// What a type is to a value: the tree that a plan is made from. Nodes refer to each other by their
/// index in `ValueLayout.nodes`, children before parents.
struct ValueNode: Sendable {
    enum Shape: Sendable {
        /// Of 1, 2, 4, 8 or 16 bytes.
        case integer(isSigned: Bool)
        case bool
        /// Of 4 or 8 bytes.
        case float
        case enumeration(Int)
        case pointer
        /// `char[size]`.
        case text
        /// Shown as plain hex text: `u8[size]`, and floats of sizes that Swift does not have.
        case bytes
        /// Without BTF: the whole value as `hex:…`.
        case raw
        /// An IP address in network order, of 4 or 16 bytes.
        case address(version: Int)
        /// A MAC address, six bytes.
        case hardwareAddress
        /// An integer of 2 to 16 bytes in network order.
        case bigEndian(isSigned: Bool)
        /// Counters of powers of two.
        case histogram(elementSize: Int, count: Int)
        /// The kernel's own, `bpf_spin_lock`: shown by this text, never written.
        case opaque(String)
        case array(element: Int, count: Int)
        case composite(Int)
        /// Of an array, what a client asked for; rendered only.
        case elements([ValueElement], stride: Int)
    }

    let shape: Shape
    /// Bytes.
    let size: Int
    /// For the name in errors; `nil` where there is no BTF.
    let type: BTFTypes.ID?
    /// Most bytes of text that it is rendered to (without what is behind a flexible array).
    let textSize: Int
    /// Operations that render it, loops counted once.
    let operationCount: Int
    /// Whether it is a flexible array (of no elements), or a struct that ends in one.
    let isFlexible: Bool

    /// Text of more than this is not rendered: only a blob made to harm asks for it.
    static let maximumTextSize = 1 << 30
    static let maximumOperationCount = 1 << 17
}

/// An element of an array, by its number.
struct ValueElement: Sendable {
    let index: Int
    let node: Int
}

/// A struct, union or data section with the members of its anonymous members.
struct ValueComposite: Sendable {
    let fields: [ValueField]
    /// Index into `fields`.
    let index: [String: Int]
    /// Of a union, exactly one member is given on writing.
    let isUnion: Bool
    /// Bits that belong to no field, ascending.
    let gaps: [Range<Int>]
}

struct ValueField: Sendable {
    /// One of several alternatives in a union, where the field lies in one.
    struct Choice: Sendable {
        let union: Int
        let alternative: Int
    }

    /// Bits of a bitfield, from the start of the parent.
    struct Bits: Sendable {
        let offset: Int
        /// 1 to 128.
        let size: Int
    }

    let name: String
    var node: Int
    /// Bytes from the start of the parent.
    let offset: Int
    let bits: Bits?
    /// From the outermost union inwards.
    let choices: [Choice]
    /// Whether it goes on behind the end of its parent, where that stands at the end of a value.
    var isFlexible = false

    /// Whether both can hold a value at once: no union has them as different alternatives.
    func isCompatible(with other: ValueField) -> Bool {
        for (mine, theirs) in zip(choices, other.choices) {
            guard mine.union == theirs.union else { return true }
            if mine.alternative != theirs.alternative { return false }
        }
        return true
    }
}

/// The names of an enum's numbers.
struct ValueEnumeration: Sendable {
    let isSigned: Bool
    /// As many bits as the type has.
    let mask: UInt64
    /// The number's bits, as many as the type has, ascending, without duplicates.
    let bits: [UInt64]
    /// As JSON strings, in the order of `bits`.
    let quotedNames: [[UInt8]]
    /// Also second names of a number.
    let valuesByName: [String: Int128]
    /// In the order of their declaration, for error texts.
    let names: [String]

    init(_ enumerators: [BTFTypes.Enumerator], size: Int, isSigned: Bool) {
        let isSigned = isSigned || enumerators.contains { $0.value < 0 }
        self.isSigned = isSigned
        mask = size >= 8 ? UInt64.max : (1 << UInt64(8 * size)) - 1
        valuesByName = Dictionary(enumerators.map { ($0.name, $0.value) }) { first, _ in first }
        var first: [UInt64: String] = [:]
        let range = IntegerRange(bits: 8 * size, isSigned: isSigned)
        // A number is shown by a name only if the name comes back as it. C has no two of one name,
        // no number that its type cannot hold and no `hex:` in a name; a blob may have.
        for enumerator in enumerators
        where valuesByName[enumerator.name] == enumerator.value
            && range.contains(enumerator.value) && !enumerator.name.utf8.contains(UInt8(ascii: ":"))
        {
            let bits = UInt64(truncatingIfNeeded: enumerator.value) & self.mask
            if first[bits] == nil { first[bits] = enumerator.name }
        }
        let sorted = first.sorted { $0.key < $1.key }
        bits = sorted.map(\.key)
        quotedNames = sorted.map { quoted($0.value) }
        names = enumerators.map(\.name)
    }

    /// Index of the number with these bits.
    func find(_ wanted: UInt64) -> Int? {
        var (low, high) = (0, bits.count)
        while low < high {
            let middle = (low + high) / 2
            if bits[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return low < bits.count && bits[low] == wanted ? low : nil
    }
}
