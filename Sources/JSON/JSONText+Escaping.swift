// SAFETY: of this whole file: `out` and `source` belong to the caller, who has reserved six bytes
// for each byte of source plus `slack`, and are not kept. Nothing outside `source` is read.
extension JSONText {
    /// The highest bit of each byte that cannot be copied as it is: control characters (NUL too),
    /// quote, backslash, and what is not ASCII. Bits above the lowest one set may be wrong.
    @inlinable @inline(__always) static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let control = (word &- 0x20 &* ones) & ~word
        let quote = word ^ 0x22 &* ones
        let backslash = word ^ 0x5C &* ones
        let equal = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
        return (control | equal | word) & (0x80 &* ones)
    }

    /// Text as the inside of a JSON string, eight bytes at a time. Bytes that are not UTF-8 become
    /// U+FFFD.
    /// - Parameter stopsAtNUL: the text ends before its first NUL, as C has it.
    @inlinable @inline(__always) package static func appendEscaped(
        _ source: UnsafeRawPointer, _ count: Int, stopsAtNUL: Bool,
        _ start: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var out = unsafe start
        var index = 0
        while index < count {
            let left = count &- index
            let word = unsafe load(source, index, count)
            let flags = special(word)
            unsafe UnsafeMutableRawPointer(out).storeBytes(of: word, as: UInt64.self)
            let clean = min(flags.trailingZeroBitCount >> 3, left)
            index &+= clean
            unsafe out += clean
            if clean == 8 { continue }
            if index == count { break }
            if stopsAtNUL, unsafe source.load(fromByteOffset: index, as: UInt8.self) == 0 { break }
            unsafe appendSpecial(source, count, &index, &out)
        }
        return unsafe out
    }

    /// The eight bytes at `index`; bytes behind the end are zero.
    @inlinable @inline(__always) static func load(
        _ source: UnsafeRawPointer, _ index: Int, _ count: Int
    ) -> UInt64 {
        let left = count &- index
        if left >= 8 {
            return unsafe source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        }
        if count >= 8 {
            return unsafe source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
                >> UInt64(truncatingIfNeeded: 8 &* (8 &- left))
        }
        var word: UInt64 = 0
        for byte in 0..<left {
            let value = unsafe source.load(fromByteOffset: index &+ byte, as: UInt8.self)
            word |= UInt64(value) << UInt64(truncatingIfNeeded: 8 &* byte)
        }
        return word
    }

    /// The character at `index`, which needs an escape or is not ASCII.
    @usableFromInline @inline(never) static func appendSpecial(
        _ source: UnsafeRawPointer, _ count: Int, _ index: inout Int,
        _ out: inout UnsafeMutablePointer<UInt8>
    ) {
        let byte = unsafe source.load(fromByteOffset: index, as: UInt8.self)
        if byte >= 0x80 {
            unsafe appendSequence(source, count, &index, &out)
            return
        }
        index += 1
        unsafe out[0] = UInt8(ascii: "\\")
        let short: UInt8? =
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): byte
            case 0x08: UInt8(ascii: "b")
            case 0x09: UInt8(ascii: "t")
            case 0x0A: UInt8(ascii: "n")
            case 0x0C: UInt8(ascii: "f")
            case 0x0D: UInt8(ascii: "r")
            default: nil
            }
        if let short {
            unsafe out[1] = short
            unsafe out += 2
            return
        }
        unsafe out[1] = UInt8(ascii: "u")
        unsafe out[2] = UInt8(ascii: "0")
        unsafe out[3] = UInt8(ascii: "0")
        unsafe out = unsafe appendHex(source + (index - 1), 1, out + 4)
    }

    /// One UTF-8 sequence copied, or U+FFFD for the longest start of one, as Unicode recommends.
    private static func appendSequence(
        _ source: UnsafeRawPointer, _ count: Int, _ index: inout Int,
        _ out: inout UnsafeMutablePointer<UInt8>
    ) {
        let (wanted, valid) = unsafe sequenceLength(source, count, index)
        if wanted == valid {
            for _ in 0..<valid {
                unsafe out.pointee = source.load(fromByteOffset: index, as: UInt8.self)
                unsafe out += 1
                index += 1
            }
            return
        }
        unsafe out[0] = 0xEF
        unsafe out[1] = 0xBF
        unsafe out[2] = 0xBD
        unsafe out += 3
        index += max(valid, 1)
    }

    /// How many bytes the sequence that starts at `index` should have, and how many are as they
    /// should be. A byte that starts nothing: 1 and 0. (Unicode 16, table 3-7.)
    package static func sequenceLength(_ source: UnsafeRawPointer, _ count: Int, _ index: Int)
        -> (wanted: Int, valid: Int)
    {
        let lead = unsafe source.load(fromByteOffset: index, as: UInt8.self)
        let (wanted, second): (Int, ClosedRange<UInt8>)
        switch lead {
        case 0x00...0x7F: return (1, 1)
        case 0xC2...0xDF: (wanted, second) = (2, 0x80...0xBF)
        case 0xE0: (wanted, second) = (3, 0xA0...0xBF)
        case 0xED: (wanted, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (wanted, second) = (3, 0x80...0xBF)
        case 0xF0: (wanted, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (wanted, second) = (4, 0x80...0xBF)
        case 0xF4: (wanted, second) = (4, 0x80...0x8F)
        default: return (1, 0)
        }
        for step in 1..<wanted {
            guard index + step < count else { return (wanted, step) }
            let byte = unsafe source.load(fromByteOffset: index + step, as: UInt8.self)
            let range = step == 1 ? second : 0x80...0xBF
            guard range.contains(byte) else { return (wanted, step) }
        }
        return (wanted, wanted)
    }
}
