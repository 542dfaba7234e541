/// What a segment file begins with. Little-endian, 256 bytes; the magic number is written last, so
/// that a file without it was never finished.
///
/// | at | what |
/// | --- | --- |
/// | 0 | magic, "APYSEG01" |
/// | 8 | stream number |
/// | 16 | ring: hash of the boot's id, map id, position before the first record, lost counter |
/// | 48 | fingerprint of the records' schema, 0 for none |
/// | 56 | totals before the first entry: records, 8 invalid counts, lost in kernel, in journal |
/// | 144 | time of making |
/// | 152 | totals still: gaps of unknown size |
/// | 192 | committed tail, written with release order after each batch |
/// | 200 | which of the two that follow counts: 0 or 1, written with release order after it |
/// | 208, 224 | untold losses: their number, and the ring's position behind them |
struct SegmentHeader: Sendable {
    static let magic: UInt64 = 0x3130_4745_5359_5041
    static let byteCount = 256
    static let tailOffset = 192
    static let untoldIndexOffset = 200
    static func untoldOffset(_ index: UInt64) -> Int { 208 + 16 * Int(index & 1) }

    var stream: UInt64
    /// As of just before the first entry.
    var mark: RingMark
    var type: UInt64
    var before: Totals
    var createdNanoseconds: UInt64
    /// What its first entry is to tell.
    var untold = UntoldLosses()

    var firstSequence: UInt64 { before.nextSequence }
}

/// Records that were taken from the ring and have no place in the journal, up to a position of the
/// ring, for which there is no gap's entry yet: kept beside the entries, so that they are told even
/// where the daemon dies first.
struct UntoldLosses: Sendable, Hashable {
    var count: UInt64 = 0
    var position: UInt64 = 0
}

// SAFETY: all loads and stores here are of 8 aligned bytes within the first 256 of a mapping that
// the caller holds and that is at least one page.
extension SegmentHeader {
    /// `nil` where the file was never finished, is damaged or is none of ours.
    init?(reading base: UnsafeRawPointer) {
        func word(_ offset: Int) -> UInt64 {
            unsafe base.load(fromByteOffset: offset, as: UInt64.self)
        }
        guard word(0) == Self.magic else { return nil }
        stream = word(8)
        mark = RingMark(
            identity: RingIdentity(mapID: word(24), boot: word(16)), position: word(32),
            lostCounter: word(40))
        type = word(48)
        before = Totals()
        before.records = word(56)
        for index in 0..<8 { before.invalid[index] = word(64 + 8 * index) }
        before.lostInKernel = word(128)
        before.lostInJournal = word(136)
        createdNanoseconds = word(144)
        before.unknownGaps = word(152)
        guard before.isPlausible else { return nil }
    }

    func write(to base: UnsafeMutableRawPointer) {
        func put(_ word: UInt64, _ offset: Int) {
            unsafe base.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
        }
        put(stream, 8)
        put(mark.identity.boot, 16)
        put(mark.identity.mapID, 24)
        put(mark.position, 32)
        put(mark.lostCounter, 40)
        put(type, 48)
        put(before.records, 56)
        for index in 0..<8 { put(before.invalid[index], 64 + 8 * index) }
        put(before.lostInKernel, 128)
        put(before.lostInJournal, 136)
        put(createdNanoseconds, 144)
        put(before.unknownGaps, 152)
        put(0, Self.untoldIndexOffset)
        put(untold.count, Self.untoldOffset(0))
        put(untold.position, Self.untoldOffset(0) + 8)
        put(UInt64(Self.byteCount), Self.tailOffset)
        put(Self.magic, 0)
    }
}

/// What stands before each record's bytes in a segment: 32 bytes; the record is padded to 8.
struct EntryHeader {
    static let byteCount = 32
    /// The entry stands for lost records: its bytes are their count and the counter's state.
    static let gap: UInt32 = 1
    static let invalid: UInt32 = 2
    /// With `gap`: lost for want of room in the journal, not in the kernel.
    static let journalGap: UInt32 = 4
    /// With `gap`: nobody knows how many were lost. It takes one number.
    static let unknownGap: UInt32 = 8
    static let gapByteCount = 16
    /// Flags from this bit on: which of the schema's types the record is.
    static let typeShift: UInt32 = 16

    var length: UInt32
    var flags: UInt32
    var sequence: UInt64
    /// Wall time that the record itself declares, else when its batch was taken from the ring.
    var nanoseconds: UInt64
    /// The ring's position just after the record.
    var position: UInt64

    var isGap: Bool { flags & Self.gap != 0 }
    var isInvalid: Bool { flags & Self.invalid != 0 }
    var typeIndex: Int { Int(flags >> Self.typeShift) }
    var reasonIndex: Int { Int(flags >> 8 & 7) }
    var reason: InvalidReason? { InvalidReason(rawValue: UInt8(reasonIndex)) }

    static func invalid(_ reason: InvalidReason) -> UInt32 {
        invalid | UInt32(reason.rawValue) << 8
    }

    /// Bytes in the segment of an entry whose record has `length` bytes.
    static func span(_ length: Int) -> Int { byteCount + (length + 7) & ~7 }
}
