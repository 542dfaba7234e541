/// The tag of a value: a digest of its bytes (FNV-1a, 64 bits), which tells an old value from a new
/// one and is no defence against a person who makes two values with one tag.
enum EntryTag {
    private static let digits = [UInt8]("0123456789abcdef".utf8)

    static func of(_ value: Span<UInt8>) -> String {
        String(decoding: text(value).dropFirst().dropLast(), as: UTF8.self)
    }

    /// The same in quotes, as `ETag` has it.
    static func quoted(_ value: Span<UInt8>) -> String {
        String(decoding: text(value), as: UTF8.self)
    }

    private static func text(_ value: Span<UInt8>) -> [UInt8] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in value.indices { hash = (hash ^ UInt64(value[index])) &* 0x100_0000_01B3 }
        var text = [UInt8](repeating: UInt8(ascii: "\""), count: 18)
        for place in 0..<16 { text[16 - place] = digits[Int(hash >> UInt64(4 * place) & 15)] }
        return text
    }
}
