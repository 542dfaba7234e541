/// How a member wants to be shown, as its BTF declaration tag says (`apiary.bpf.h`): the tag is
/// `apiary:` and the case's word.
enum ValueNotation: String, Sendable, Hashable, CaseIterable {
    /// Four bytes in network order: `"192.0.2.1"`.
    case ipv4
    /// Sixteen bytes in network order: `"2001:db8::1"` (RFC 5952).
    case ipv6
    /// The one or the other, by the size.
    case ip
    /// Six bytes: `"0a:1b:2c:3d:4e:5f"`.
    case mac
    /// An integer in network order, shown as a number.
    case bigEndian = "big_endian"
    /// An array of counters, the one at `i` of values from 2^i on: shown with its bounds.
    case log2

    static let prefix = "apiary:"
    static let largestHistogram = 64

    init?(tag: String) {
        guard tag.hasPrefix(Self.prefix) else { return nil }
        self.init(rawValue: String(tag.dropFirst(Self.prefix.count)))
    }

    /// What `type` is shown as; nil where its size or kind does not fit the notation.
    func shape(_ types: BTFTypes, _ type: BTFTypes.ID) -> ValueNode.Shape? {
        guard let size = types.size(of: type) else { return nil }
        switch (self, size) {
        case (.ipv4, 4), (.ip, 4): return isBytes(types, type) ? .address(version: 4) : nil
        case (.ipv6, 16), (.ip, 16): return .address(version: 6)
        case (.mac, 6): return .hardwareAddress
        case (.bigEndian, 2), (.bigEndian, 4), (.bigEndian, 8), (.bigEndian, 16):
            guard let int = types.integer(of: type), int.bits == 8 * size, !int.isBool else {
                return nil
            }
            return .bigEndian(isSigned: int.isSigned)
        case (.log2, _):
            guard let (element, count) = types.array(of: type),
                (1...Self.largestHistogram).contains(count),
                let int = types.integer(of: element), [4, 8].contains(int.size),
                int.bits == 8 * int.size, !int.isBool
            else { return nil }
            return .histogram(elementSize: int.size, count: count)
        default: return nil
        }
    }

    /// An integer, or an array of them: not a pointer or a float that happens to have the size.
    private func isBytes(_ types: BTFTypes, _ type: BTFTypes.ID) -> Bool {
        if types.integer(of: type) != nil { return true }
        guard let (element, _) = types.array(of: type) else { return false }
        return types.integer(of: element) != nil
    }
}

/// The notations that a blob asks for, by the type or member that its tags stand on.
struct ValueNotations: Sendable {
    private struct Place: Hashable {
        let type: BTFTypes.ID
        /// Of a struct; `UInt32.max` for the type or variable itself.
        let member: UInt32
    }

    private var places: [Place: ValueNotation] = [:]

    init(_ types: BTFTypes) {
        for id in types.tagIDs {
            guard let record = types.record(of: id),
                let notation = ValueNotation(tag: types.string(at: record.nameOffset))
            else { continue }
            places[Place(type: record.sizeOrType, member: record[0])] = notation
        }
    }

    func onMember(_ number: Int, of type: BTFTypes.ID) -> ValueNotation? {
        guard !places.isEmpty else { return nil }
        return places[Place(type: type, member: UInt32(truncatingIfNeeded: number))]
    }

    /// On a variable, or on a typedef that `type` is a name of.
    func onType(_ type: BTFTypes.ID, _ types: BTFTypes) -> ValueNotation? {
        guard !places.isEmpty else { return nil }
        var type = type
        for _ in 0..<maximumTypeDepth {
            if let found = places[Place(type: type, member: .max)] { return found }
            guard let record = types.record(of: type) else { return nil }
            switch record.kind {
            case .typedef, .const, .volatile, .restrict, .typeTag, .variable:
                type = record.sizeOrType
            default: return nil
            }
        }
        return nil
    }
}
