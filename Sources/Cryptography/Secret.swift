/// What only its owner knows: made of 256 random bits, kept as a digest, compared in constant time.
public enum Secret {
    /// 256 bits of the kernel's generator (getrandom(2)) as 43 letters, digits, `-` and `_`
    /// (base64url, RFC 4648), behind `prefix`.
    public static func make(prefix: String) -> String {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<4 {
            let number = generator.next()
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
            }
        }
        return prefix + Base64Text.text(bytes, alphabet: .url)
    }

    /// Whether two digests are equal, in a time that does not depend on where they differ.
    public static func equals(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}

/// RFC 4648.
public enum Base64Text {
    public enum Alphabet: Sendable { case standard, url }

    /// Without padding for `url`.
    public static func text(_ bytes: [UInt8], alphabet: Alphabet = .standard) -> String {
        let digits = Array(
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                + (alphabet == .url ? "-_" : "+/")).utf8)
        var text: [UInt8] = []
        var start = 0
        while start < bytes.count {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for byte in group { bits = bits << 8 | UInt32(byte) }
            bits <<= UInt32(8 * (3 - group.count))
            for index in 0...group.count {
                text.append(digits[Int(bits >> UInt32(18 - 6 * index) & 63)])
            }
            if alphabet == .standard { text += Array(repeating: 0x3d, count: 3 - group.count) }
            start += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Of either alphabet, with or without padding; `nil` for anything else.
    public static func bytes(_ text: String) -> [UInt8]? {
        var bits: UInt32 = 0
        var count = 0
        var bytes: [UInt8] = []
        var digits = text.utf8[...]
        while digits.last == UInt8(ascii: "=") { digits.removeLast() }
        guard text.utf8.count - digits.count <= 2, digits.count % 4 != 1 else { return nil }
        for digit in digits {
            guard let value = value(digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
