internal import Glibc
internal import Linux
public import Synchronization

/// A BPF ring buffer, consumed by one thread.
///
/// The kernel's layout (linux: kernel/bpf/ringbuf.c): a page with the consumer's position, a page
/// with the producer's, then the data, mapped twice in a row so that a record that wraps is whole.
/// Positions only grow; a record is a header of 8 bytes (length, then a word that is the kernel's)
/// and its bytes, rounded up to 8.
///
/// Nothing of the state is in this process: a ring that another process opens goes on where the
/// last `release(upTo:)` was.
@safe
public final class RingBuffer: @unchecked Sendable {
    public let map: Map
    /// Bytes of data that fit, a power of two.
    public let dataBytes: Int

    // SAFETY: mapped in init, unmapped in deinit, all that is read in between is behind positions
    // that the kernel publishes. The consumer page is written by `release` only.
    @usableFromInline let consumer: UnsafePointer<Atomic<UInt64>>
    @usableFromInline let producer: UnsafePointer<Atomic<UInt64>>
    @usableFromInline let data: UnsafeRawPointer
    @usableFromInline let mask: UInt64
    private let consumerPage: UnsafeMutableRawPointer
    private let producerPages: UnsafeMutableRawPointer
    private let pageBytes: Int

    /// Maps the ring's consumer page and data.
    /// - Throws: `EINVAL` where the map is no ringbuf; `EPERM` frozen; `ENOMEM`; `EOPNOTSUPP` a
    ///   ring that overwrites its oldest records, whose layout is another.
    public init(_ map: Map) throws(BPFError) {
        guard map.info.type == .ringbuf else {
            throw BPFError("mmap", .einval, log: "\(map.info.name) is a \(map.info.type.name)")
        }
        guard map.info.flags & (1 << 19) == 0 else {
            throw BPFError("mmap", .eopnotsupp, log: "BPF_F_RB_OVERWRITE")
        }
        let pageBytes = PageSize.bytes
        let dataBytes = map.info.maxEntries
        let consumerPage = try unsafe Self.map(
            map.descriptor.raw, pageBytes, PROT_READ | PROT_WRITE, at: 0)
        do {
            unsafe producerPages = try unsafe Self.map(
                map.descriptor.raw, pageBytes + 2 * dataBytes, PROT_READ, at: pageBytes)
        } catch {
            unsafe _ = munmap(consumerPage, pageBytes)
            throw error
        }
        self.map = map
        self.dataBytes = dataBytes
        self.pageBytes = pageBytes
        unsafe self.consumerPage = unsafe consumerPage
        unsafe consumer = UnsafePointer(
            consumerPage.assumingMemoryBound(to: Atomic<UInt64>.self))
        unsafe producer = UnsafePointer(
            producerPages.assumingMemoryBound(to: Atomic<UInt64>.self))
        unsafe data = UnsafeRawPointer(producerPages + pageBytes)
        mask = UInt64(dataBytes) - 1
    }

    deinit {
        unsafe _ = munmap(consumerPage, pageBytes)
        unsafe _ = munmap(producerPages, pageBytes + 2 * dataBytes)
    }

    /// Readable (epoll, level-triggered) while the producer is ahead of the consumer.
    ///
    /// The kernel wakes only for a record at the consumer's position: release what was taken before
    /// waiting. A record in the making keeps the descriptor readable without there being one.
    public var pollDescriptor: Int32 { map.descriptor.raw }

    /// Up to where the space was given back.
    public var consumerPosition: UInt64 { unsafe consumer.pointee.load(ordering: .acquiring) }

    /// Up to where programs have reserved space.
    public var producerPosition: UInt64 { unsafe producer.pointee.load(ordering: .acquiring) }

    /// Hands each finished record from the consumer position on to `body`, in order: its bytes and
    /// the ring position just after it. Stops at an unfinished record, at the producer's position,
    /// after `limit` records, or when `body` returns false (that record is not taken).
    /// Moves nothing: call `release(upTo:)` once the records are safe.
    /// - Parameter body: `record` is readable only within the call.
    /// - Returns: the position up to which records were taken or skipped (discarded ones).
    @inlinable
    public func take(
        limit: Int, _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 {
        unsafe take(from: consumerPosition, limit: limit, body)
    }

    /// Like `take(limit:_:)` from `start` on, a position that an earlier call gave: for who takes
    /// more before the first records are safe. A position that was released already is moved up.
    @inlinable
    public func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 {
        let (data, mask) = unsafe (self.data, self.mask)
        let end = producerPosition
        var position = max(start, consumerPosition)
        var left = limit
        while position < end && left > 0 {
            // SAFETY: a header lies at every record's position below `end`, and is aligned to 8.
            let header = unsafe data + Int(truncatingIfNeeded: position & mask)
            let word = unsafe header.assumingMemoryBound(to: Atomic<UInt32>.self)
                .pointee.load(ordering: .acquiring)
            if word & RingHeader.busy != 0 { break }
            let length = UInt64(word & RingHeader.length)
            let after = position &+ ((length &+ RingHeader.bytes &+ 7) & ~7)
            guard after <= end else { RingHeader.isBroken(word, at: position, before: end) }
            if word & RingHeader.discarded == 0 {
                // SAFETY: the whole record is below `end`, and contiguous by the second mapping.
                let record = unsafe UnsafeRawBufferPointer(
                    start: header + Int(RingHeader.bytes), count: Int(length))
                guard unsafe body(record, after) else { break }
                left &-= 1
            }
            position = after
        }
        return position
    }

    /// Gives the ring's space back to the producer: one store. Positions that were given back
    /// already are left alone.
    /// - Parameter position: one that `take` gave.
    public func release(upTo position: UInt64) {
        let present = consumerPosition
        guard position > present else { return }
        let end = producerPosition
        precondition(position <= end, "release to \(position), the producer is at \(end)")
        unsafe consumer.pointee.store(position, ordering: .releasing)
    }

    private static func map(
        _ raw: Int32, _ size: Int, _ protection: Int32, at offset: Int
    ) throws(BPFError) -> UnsafeMutableRawPointer {
        let address = unsafe mmap(nil, size, protection, MAP_SHARED, raw, offset)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw BPFError("mmap", Errno.current)
        }
        return unsafe address
    }
}

/// The first word of a record (`BPF_RINGBUF_…` of linux/bpf.h).
@usableFromInline
enum RingHeader {
    @usableFromInline static var busy: UInt32 { @inlinable get { 1 << 31 } }
    @usableFromInline static var discarded: UInt32 { @inlinable get { 1 << 30 } }
    @usableFromInline static var length: UInt32 { @inlinable get { (1 << 30) - 1 } }
    @usableFromInline static var bytes: UInt64 { @inlinable get { 8 } }

    @usableFromInline @inline(never)
    static func isBroken(_ word: UInt32, at position: UInt64, before end: UInt64) -> Never {
        preconditionFailure("a ring record of \(word) at \(position) ends beyond \(end)")
    }
}
