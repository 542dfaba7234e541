/// The tag of a value: a digest of its bytes (FNV-1a, 64 bits), which tells an old value from a new
/// one and is no defence against a person who makes two values with one tag.
enum EntryTag {
    static func of(_ value: Span<UInt8>) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in value.indices { hash = (hash ^ UInt64(value[index])) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
