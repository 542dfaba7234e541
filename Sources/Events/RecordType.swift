public import BTF
internal import JSON

/// What the records of a stream are.
public struct RecordType: Sendable {
    /// Name as shown in `"type"`, without `struct `.
    public let name: String
    public let plan: ValuePlan
    public let types: BTFTypes
    public let typeID: BTFTypes.ID
    /// 64-bit members that hold addresses of the kernel, alone or in an array.
    public let addresses: [ValuePlan.Member]
    /// Tells types apart across restarts: a segment names the type of its records by this number.
    let fingerprint: UInt64

    /// - Parameter addresses: members that hold kernel addresses, beside those that the type
    ///   declares: as `apiary_kaddr_t` (apiary.bpf.h), or by the declaration tag `kernel_address`.
    public init(
        name: String, plan: ValuePlan, types: BTFTypes, typeID: BTFTypes.ID,
        addresses: [String] = []
    ) {
        self.name = name
        self.plan = plan
        self.types = types
        self.typeID = typeID
        let tagged = types.members(of: typeID, tagged: "kernel_address")
        let declared = plan.nestedMembers.filter { member in
            member.typeName.hasPrefix("apiary_kaddr_t") || tagged.contains(member.name)
        }
        let named = addresses.compactMap { plan.member(at: $0) }.filter { member in
            !declared.contains { $0.name == member.name }
        }
        self.addresses = (declared + named).filter { member in
            member.size % 8 == 0 && member.bits == nil
                && [.integer, .pointer, .array].contains(member.kind)
        }
        fingerprint = Self.fingerprint(name, plan)
    }

    /// A hash of the name, the size and the rendering of bytes that count up: that text shows the
    /// name, the place and the width of every member.
    private static func fingerprint(_ name: String, _ plan: ValuePlan) -> UInt64 {
        let pattern = (0..<max(plan.size, 0)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        var json = JSONWriter(capacity: 4 * pattern.count + 256)
        plan.render(pattern.span, into: &json)
        var hash = Hash64()
        hash.add(name.utf8)
        hash.add(plan.size)
        hash.add(json.bytes())
        return max(hash.value, 1)
    }
}

/// FNV-1a, 64 bits: stable over builds and machines, which `Hasher` is not.
struct Hash64 {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    mutating func add(_ number: Int) {
        for shift in stride(from: 0, to: 64, by: 8) {
            add(CollectionOfOne(UInt8(truncatingIfNeeded: number >> shift)))
        }
    }
}
