/// The header of one regular file in a tar archive (POSIX.1-1988 ustar), 512 bytes before its
/// contents.
public struct TarHeader: Sendable, Hashable {
    /// Bytes of a header, and what contents are filled up to.
    public static let blockBytes = 512
    /// An archive ends with two blocks of zeros.
    public static let endBytes = 1024
    /// The most that eleven octal digits say, 8 GiB - 1.
    public static let maximumSize = 0o777_7777_7777

    /// At most 100 bytes, relative.
    public var name: String
    public var sizeBytes: Int
    /// Seconds since 1970.
    public var modifiedAt: Int

    public init(name: String, sizeBytes: Int, modifiedAt: Int) {
        self.name = name
        self.sizeBytes = sizeBytes
        self.modifiedAt = modifiedAt
    }

    /// Bytes of zeros after the contents.
    public var paddingBytes: Int {
        (Self.blockBytes - sizeBytes % Self.blockBytes) % Self.blockBytes
    }

    public var bytes: [UInt8] {
        precondition(name.utf8.count <= 100, "\(name) is too long for a tar header")
        precondition((0...Self.maximumSize).contains(sizeBytes), "\(sizeBytes) bytes in a tar")
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        put(name, at: 0)
        put(Self.octal(0o600, 7), at: 100)
        put(Self.octal(0, 7), at: 108)
        put(Self.octal(0, 7), at: 116)
        put(Self.octal(sizeBytes, 11), at: 124)
        put(Self.octal(max(0, modifiedAt), 11), at: 136)
        put("0", at: 156)
        put("ustar\0" + "00", at: 257)
        put("root", at: 265)
        put("root", at: 297)
        put(Self.octal(Self.checksum(block), 6) + "\0 ", at: 148)
        return block
    }

    /// Reads one block.
    /// - Returns: nil for a block of zeros, which ends the archive.
    /// - Throws: where it is no header of a regular file of ours.
    public init?(_ block: [UInt8]) throws(TarError) {
        guard block.count == Self.blockBytes else {
            throw TarError(reason: "the archive ends within a header")
        }
        if block.allSatisfy({ $0 == 0 }) { return nil }
        guard Self.number(block[148..<156]) == Self.checksum(block) else {
            throw TarError(reason: "a header's checksum is wrong: this is no tar archive")
        }
        let end = block[..<100].firstIndex(of: 0) ?? 100
        guard let name = String(validating: block[..<end], as: UTF8.self), !name.isEmpty else {
            throw TarError(reason: "a name in the archive is not UTF-8")
        }
        guard block[156] == UInt8(ascii: "0") || block[156] == 0 else {
            throw TarError(reason: "\(name) in the archive is no regular file")
        }
        guard let size = Self.number(block[124..<136]), let time = Self.number(block[136..<148])
        else { throw TarError(reason: "the size of \(name) in the archive is not a number") }
        self.init(name: name, sizeBytes: size, modifiedAt: time)
    }

    /// The sum of all bytes, those of the checksum itself taken as spaces.
    private static func checksum(_ block: [UInt8]) -> Int {
        var sum = 0
        for (index, byte) in block.enumerated() {
            sum += (148..<156).contains(index) ? 32 : Int(byte)
        }
        return sum
    }

    private static func octal(_ value: Int, _ digits: Int) -> String {
        let text = String(value, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        let digits = bytes.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        guard !digits.isEmpty, digits.count <= 12 else { return nil }
        return Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }
}

/// Why bytes are no archive that can be taken.
public struct TarError: Error, Sendable, Hashable {
    /// A clause for a person.
    public let reason: String

    public init(reason: String) { self.reason = reason }
}
