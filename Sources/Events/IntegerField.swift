internal import BTF

/// An integer at a fixed place of a record, read without a look at its type.
///
/// The caller makes sure that the record has `end` bytes.
struct IntegerField: Sendable, Hashable {
    private enum Width: UInt8, Sendable { case one, two, four, eight, bits, bigEndian }

    private let offset: Int
    private let width: Width
    private let isSigned: Bool
    private let isBool: Bool
    private let firstBit: Int
    private let bitCount: Int
    /// Bytes that a record must have for it.
    let end: Int

    /// `nil` for members that are no integer of at most 64 bits.
    init?(_ member: ValuePlan.Member) {
        guard member.isInteger else { return nil }
        offset = member.offset
        isSigned = member.isSigned
        isBool = member.kind == .bool
        if let bits = member.bits {
            guard bits.size <= 64 else { return nil }
            (width, firstBit, bitCount) = (.bits, bits.offset, bits.size)
            end = max((bits.offset + bits.size + 7) / 8, member.elementEnd)
            return
        }
        (firstBit, bitCount) = (8 * member.offset, 8 * member.size)
        end = max(member.offset + member.size, member.elementEnd)
        switch member.size {
        case _ where member.isBigEndian && [2, 4, 8].contains(member.size): width = .bigEndian
        case 1: width = .one
        case 2: width = .two
        case 4: width = .four
        case 8: width = .eight
        default: return nil
        }
    }

    /// Whether a member of this size and sign can have that value.
    func holds(_ number: Int128) -> Bool {
        let values = Int128(1) << (isBool ? 1 : isSigned ? bitCount - 1 : bitCount)
        return number < values && number >= (isSigned ? -values : 0)
    }

    /// The value's bits, extended to 64 by its sign.
    @inline(__always)
    func bits(_ record: UnsafeRawPointer) -> UInt64 {
        // SAFETY: the caller compared `end` with the record's length.
        let place = unsafe record + offset
        switch width {
        case .one:
            let value = unsafe place.load(as: UInt8.self)
            if isBool { return value == 0 ? 0 : 1 }
            return isSigned ? extended(Int64(Int8(bitPattern: value))) : UInt64(value)
        case .two:
            let value = unsafe place.loadUnaligned(as: UInt16.self)
            return isSigned ? extended(Int64(Int16(bitPattern: value))) : UInt64(value)
        case .four:
            let value = unsafe place.loadUnaligned(as: UInt32.self)
            return isSigned ? extended(Int64(Int32(bitPattern: value))) : UInt64(value)
        case .eight: return unsafe place.loadUnaligned(as: UInt64.self)
        case .bits: return unsafe bitfield(record)
        case .bigEndian: return unsafe bigEndian(place)
        }
    }

    @inline(__always)
    func value(_ record: UnsafeRawPointer) -> Int128 {
        let bits = unsafe bits(record)
        return isSigned ? Int128(Int64(bitPattern: bits)) : Int128(bits)
    }

    private func extended(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) }

    private func bigEndian(_ place: UnsafeRawPointer) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<bitCount / 8 {
            // SAFETY: as above.
            value = value << 8 | UInt64(unsafe place.load(fromByteOffset: index, as: UInt8.self))
        }
        let shift = Int64(64 - bitCount)
        return isSigned ? extended((Int64(bitPattern: value) << shift) >> shift) : value
    }

    private func bitfield(_ record: UnsafeRawPointer) -> UInt64 {
        var value: UInt128 = 0
        var bit = firstBit
        while bit < firstBit + bitCount {
            // SAFETY: as above; the bit lies below `end`.
            let byte = unsafe record.load(fromByteOffset: bit / 8, as: UInt8.self)
            value |= UInt128(byte >> UInt8(bit % 8)) << UInt128(bit - firstBit)
            bit += 8 - bit % 8
        }
        value &= (1 << UInt128(bitCount)) - 1
        if isBool { return value == 0 ? 0 : 1 }
        guard isSigned, bitCount < 64, value >> UInt128(bitCount - 1) != 0 else {
            return UInt64(truncatingIfNeeded: value)
        }
        return UInt64(truncatingIfNeeded: value) | (UInt64.max << UInt64(bitCount))
    }
}
