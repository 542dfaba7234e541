/// Digits and escaped text, written to memory that the caller has reserved.
///
/// Every function returns the new end and may store up to 16 bytes beyond it, so whoever reserves
/// adds `slack`.
@usableFromInline package enum JSONText {
    /// Bytes that may be overwritten behind the text that was asked for.
    @inlinable package static var slack: Int { 16 }
    /// Most bytes that one byte of text becomes: `\u0001`.
    @inlinable package static var escapedByteSize: Int { 6 }

    /// The value of a hexadecimal digit, of either case.
    @inlinable package static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }

    package static func nonFinite(_ value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }
}

// SAFETY: of this whole file: `out` and `source` belong to the caller, who has reserved the longest
// text of what is written plus `slack`, and are not kept.
extension JSONText {
    /// Eight decimal digits, the first in the lowest byte, of a number below 100,000,000.
    ///
    /// Splits in two by 10,000, then all parts at once by 100 and by 10 (multiply and shift).
    @inlinable @inline(__always) static func eightDigits(_ value: UInt64) -> UInt64 {
        let high = value / 10_000
        let fours = high | (value &- high &* 10_000) << 32
        let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F
        let pairs = hundreds | (fours &- hundreds &* 100) << 16
        let tens = ((pairs &* 103) >> 10) & 0x000F_000F_000F_000F
        return tens | (pairs &- tens &* 10) << 8
    }

    /// The text of a number below 100,000,000, its first digit in the lowest byte, without leading
    /// zeros, and how many digits that are.
    @inlinable @inline(__always) package static func shortText(
        _ value: UInt64
    ) -> (text: UInt64, count: Int) {
        let digits = eightDigits(value)
        // The last digit stays, also of zero.
        let zeros = (digits | 1 << 56).trailingZeroBitCount & ~7
        let text = (digits | 0x3030_3030_3030_3030) >> UInt64(truncatingIfNeeded: zeros)
        return (text, 8 &- zeros >> 3)
    }

    /// Without leading zeros; below 100,000,000.
    @inlinable @inline(__always) static func appendShort(
        _ value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let (text, count) = shortText(value)
        unsafe UnsafeMutableRawPointer(out).storeBytes(of: text, as: UInt64.self)
        return unsafe out + count
    }

    /// With leading zeros; below 100,000,000.
    @inlinable @inline(__always) package static func appendEight(
        _ value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe UnsafeMutableRawPointer(out).storeBytes(
            of: eightDigits(value) | 0x3030_3030_3030_3030, as: UInt64.self)
        return unsafe out + 8
    }

    /// Nine digits, with zeros before, of a number below 1,000,000,000; not a byte more.
    @inlinable @inline(__always) package static func putNine(
        _ value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) {
        let high = value / 100_000_000
        unsafe out.pointee = UInt8(truncatingIfNeeded: high) | 0x30
        unsafe _ = appendEight(value &- high &* 100_000_000, out + 1)
    }

    /// At most 20 bytes.
    @inlinable @inline(__always) package static func append(
        _ value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        if value < 10 {
            unsafe out.pointee = UInt8(truncatingIfNeeded: value) | 0x30
            return unsafe out + 1
        }
        if value < 100_000_000 { return unsafe appendShort(value, out) }
        return unsafe appendLong(value, out)
    }

    @inlinable @inline(__always) static func appendLong(
        _ value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let high = value / 100_000_000
        let low = value &- high &* 100_000_000
        if high < 100_000_000 { return unsafe appendEight(low, appendShort(high, out)) }
        let top = high / 100_000_000
        let middle = high &- top &* 100_000_000
        return unsafe appendEight(low, appendEight(middle, appendShort(top, out)))
    }

    /// At most 20 bytes.
    @inlinable @inline(__always) package static func append(
        _ value: Int64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe out.pointee = UInt8(ascii: "-")
        return unsafe append(value.magnitude, out + (value < 0 ? 1 : 0))
    }

    /// At most 39 bytes.
    @inline(never) package static func append(
        _ value: UInt128, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let unit: UInt128 = 10_000_000_000_000_000
        if value < unit { return unsafe append(UInt64(value), out) }
        let (high, low) = value.quotientAndRemainder(dividingBy: unit)
        let parts = UInt64(low).quotientAndRemainder(dividingBy: 100_000_000)
        let end = unsafe append(high, out)
        return unsafe appendEight(parts.remainder, appendEight(parts.quotient, end))
    }

    /// At most 40 bytes.
    package static func append(
        _ value: Int128, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe out.pointee = UInt8(ascii: "-")
        return unsafe append(value.magnitude, out + (value < 0 ? 1 : 0))
    }

    /// Two digits of lower case a byte.
    package static func appendHex(
        _ source: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let digits: StaticString = "0123456789abcdef"
        let table = unsafe digits.utf8Start
        for index in 0..<count {
            let byte = unsafe Int(source.load(fromByteOffset: index, as: UInt8.self))
            unsafe out[2 &* index] = table[byte >> 4]
            unsafe out[2 &* index &+ 1] = table[byte & 15]
        }
        return unsafe out + 2 &* count
    }
}
