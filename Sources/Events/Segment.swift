internal import Linux
internal import Synchronization

/// One file of a stream's journal, mapped: appended to by the pump, read by anybody up to the tail.
///
/// Whoever holds a segment holds its memory, also after the file was evicted: readers take it for
/// the time of one call only.
@safe
final class Segment: @unchecked Sendable {
    let header: SegmentHeader
    private let file: MappedFile
    // SAFETY: the mapping lives as long as `file`. Below the tail nothing changes any more.
    private let base: UnsafeMutableRawPointer

    var firstSequence: UInt64 { header.firstSequence }
    var size: Int { file.size }
    let path: String

    /// Makes the file. - Throws: `ENOSPC` and nothing is left behind.
    init(creating path: String, size: Int, _ header: SegmentHeader) throws(Errno) {
        file = try MappedFile(creating: path, size: size)
        unsafe base = file.base
        self.header = header
        self.path = path
        unsafe header.write(to: file.base)
    }

    /// Takes over the file of an evicted segment that nobody else holds: its pages are there, which
    /// makes this ten times cheaper than a new file.
    init(reusing old: Segment, at path: String, _ header: SegmentHeader) throws(Errno) {
        file = old.file
        unsafe base = file.base
        self.header = header
        self.path = path
        // Until the new header is whole the file is none: a crash finds the old segment gone.
        unsafe base.storeBytes(of: 0, as: UInt64.self)
        try FileSystem.rename(old.path, to: path)
        unsafe header.write(to: file.base)
    }

    /// Maps one that an earlier daemon left; `nil` where it was never finished or is damaged.
    init?(opening path: String, stream: UInt64) throws(Errno) {
        guard try FileDescriptor.open(path, [.read, .noFollow]).size() > SegmentHeader.byteCount
        else { return nil }
        file = try MappedFile(opening: path)
        unsafe base = file.base
        guard let header = unsafe SegmentHeader(reading: file.base), header.stream == stream else {
            return nil
        }
        self.header = header
        self.path = path
        guard tail >= SegmentHeader.byteCount, tail <= file.size, tail & 7 == 0 else { return nil }
    }

    // SAFETY: the header's words are aligned to 8 in a page-aligned mapping.
    private func word(_ offset: Int) -> UnsafePointer<Atomic<UInt64>> {
        unsafe UnsafePointer((base + offset).assumingMemoryBound(to: Atomic<UInt64>.self))
    }

    private var tailWord: UnsafePointer<Atomic<UInt64>> {
        unsafe word(SegmentHeader.tailOffset)
    }

    private var untoldIndex: UnsafePointer<Atomic<UInt64>> {
        unsafe word(SegmentHeader.untoldIndexOffset)
    }

    /// Bytes that count: what lies beyond is unfinished, also after a crash.
    var tail: Int {
        Int(truncatingIfNeeded: unsafe tailWord.pointee.load(ordering: .acquiring))
    }

    /// Makes everything before `tail` count.
    func commit(_ tail: Int) {
        unsafe tailWord.pointee.store(UInt64(tail), ordering: .releasing)
    }

    /// Records without a place, as of the last `note`. Damaged where it makes no sense.
    var untold: UntoldLosses {
        let place = SegmentHeader.untoldOffset(
            unsafe untoldIndex.pointee.load(ordering: .acquiring))
        // SAFETY: within the header, as is `note`'s.
        return unsafe UntoldLosses(
            count: base.load(fromByteOffset: place, as: UInt64.self),
            position: base.load(fromByteOffset: place + 8, as: UInt64.self))
    }

    /// Keeps a count for who comes after a crash: the other pair is written, then counts.
    func note(_ untold: UntoldLosses) {
        let index = unsafe untoldIndex.pointee.load(ordering: .relaxed) ^ 1
        let place = SegmentHeader.untoldOffset(index)
        unsafe base.storeBytes(of: untold.count, toByteOffset: place, as: UInt64.self)
        unsafe base.storeBytes(of: untold.position, toByteOffset: place + 8, as: UInt64.self)
        unsafe untoldIndex.pointee.store(index & 1, ordering: .releasing)
    }

    /// Where a batch is written, by the pump alone.
    func makeAppender(at offset: Int, sequence: UInt64) -> Appender {
        unsafe Appender(base: base, capacity: size, offset: offset, sequence: sequence)
    }

    /// The entry at `offset`, which is below `tail`; `nil` where what lies there is none, as after
    /// a loss of power: its length leads beyond the tail.
    @inline(__always)
    func entry(at offset: Int, before tail: Int) -> EntryHeader? {
        guard offset >= 0, offset &+ EntryHeader.byteCount <= tail else { return nil }
        // SAFETY: 32 bytes from `offset` on are below the tail, which is within the mapping.
        let entry = unsafe EntryHeader(
            length: base.load(fromByteOffset: offset, as: UInt32.self),
            flags: base.load(fromByteOffset: offset &+ 4, as: UInt32.self),
            sequence: base.load(fromByteOffset: offset &+ 8, as: UInt64.self),
            // No time is as late as what stands for never, however damaged it is.
            nanoseconds: min(base.load(fromByteOffset: offset &+ 16, as: UInt64.self), .max - 1),
            position: base.load(fromByteOffset: offset &+ 24, as: UInt64.self))
        guard offset &+ EntryHeader.span(Int(entry.length)) <= tail else { return nil }
        guard !entry.isGap || entry.length >= EntryHeader.gapByteCount else { return nil }
        return entry
    }

    /// Lends the bytes of an entry that `entry(at:before:)` gave.
    @inline(__always)
    func withRecord<Result>(
        _ entry: EntryHeader, at offset: Int, _ body: (Span<UInt8>) -> Result
    ) -> Result {
        // SAFETY: the entry was checked to lie below the tail; the mapping lives in this call.
        body(
            unsafe Span(
                _unsafeStart: UnsafePointer(
                    (base + offset + EntryHeader.byteCount)
                        .assumingMemoryBound(to: UInt8.self)), count: Int(entry.length)))
    }

    /// For a gap's entry: how many were lost, and the program's counter then.
    func gap(at offset: Int) -> (lost: UInt64, counter: UInt64) {
        let place = offset + EntryHeader.byteCount
        // SAFETY: a gap's entry has 16 bytes, checked with it.
        return unsafe (
            base.load(fromByteOffset: place, as: UInt64.self),
            base.load(fromByteOffset: place + 8, as: UInt64.self)
        )
    }

    func unlink() throws(Errno) { try FileSystem.unlink(path) }
}

/// The end of a segment while a batch is written: nothing here counts before `Segment.commit`.
// SAFETY: lives in the pump's frame while the segment is held; checks its capacity itself.
@safe
struct Appender {
    private let base: UnsafeMutableRawPointer
    let capacity: Int
    private(set) var offset: Int
    private(set) var sequence: UInt64

    init(base: UnsafeMutableRawPointer, capacity: Int, offset: Int, sequence: UInt64) {
        unsafe self.base = base
        self.capacity = capacity
        self.offset = offset
        self.sequence = sequence
    }

    func hasRoom(_ length: Int) -> Bool { offset &+ EntryHeader.span(length) <= capacity }

    /// False where it does not fit; nothing is written then.
    @inline(__always)
    mutating func append(
        _ record: UnsafeRawBufferPointer, flags: UInt32, nanoseconds: UInt64, position: UInt64
    ) -> Bool {
        guard hasRoom(record.count) else { return false }
        putHeader(
            length: record.count, flags: flags, nanoseconds: nanoseconds, position: position)
        if let source = record.baseAddress {
            unsafe (base + offset + EntryHeader.byteCount).copyMemory(
                from: source, byteCount: record.count)
        }
        offset &+= EntryHeader.span(record.count)
        sequence &+= 1
        return true
    }

    /// Puts a gap that takes `lost` numbers.
    mutating func append(
        lost: UInt64, counter: UInt64, flags: UInt32, nanoseconds: UInt64, position: UInt64
    ) -> Bool {
        guard hasRoom(EntryHeader.gapByteCount) else { return false }
        putHeader(
            length: EntryHeader.gapByteCount, flags: flags, nanoseconds: nanoseconds,
            position: position)
        let place = offset + EntryHeader.byteCount
        unsafe base.storeBytes(of: lost, toByteOffset: place, as: UInt64.self)
        unsafe base.storeBytes(of: counter, toByteOffset: place + 8, as: UInt64.self)
        offset += EntryHeader.span(EntryHeader.gapByteCount)
        sequence &+= lost
        return true
    }

    @inline(__always)
    private func putHeader(length: Int, flags: UInt32, nanoseconds: UInt64, position: UInt64) {
        let place = unsafe base + offset
        unsafe place.storeBytes(of: UInt32(truncatingIfNeeded: length), as: UInt32.self)
        unsafe place.storeBytes(of: flags, toByteOffset: 4, as: UInt32.self)
        unsafe place.storeBytes(of: sequence, toByteOffset: 8, as: UInt64.self)
        unsafe place.storeBytes(of: nanoseconds, toByteOffset: 16, as: UInt64.self)
        unsafe place.storeBytes(of: position, toByteOffset: 24, as: UInt64.self)
    }
}
