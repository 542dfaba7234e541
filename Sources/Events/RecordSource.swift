internal import BPF
internal import Linux

/// Which ring a position belongs to: kernel ids mean nothing beyond a boot.
package struct RingIdentity: Sendable, Hashable {
    package let mapID: UInt64
    package let boot: UInt64

    package init(mapID: UInt64, boot: UInt64) {
        self.mapID = mapID
        self.boot = boot
    }

    static let none = RingIdentity(mapID: 0, boot: 0)

    /// A hash of this boot's id.
    static func presentBoot() throws(JournalError) -> UInt64 {
        do {
            var boot = Hash64()
            boot.add(try Clock.bootID().utf8)
            return boot.value
        } catch {
            throw JournalError(reason: "the boot's id cannot be read", errno: error)
        }
    }
}

/// Where records come from: a kernel's ring. Used by the pump's thread only, after `open`.
package protocol RecordSource: AnyObject, Sendable {
    /// Readable (epoll) when there are records.
    var pollDescriptor: Int32 { get }
    var identity: RingIdentity { get }
    /// Up to where the space was given back.
    var consumerPosition: UInt64 { get }
    /// Bytes that the source holds before it loses records.
    var dataBytes: Int { get }
    /// Whether lengths are rounded up, by at most seven bytes.
    var isPadded: Bool { get }
    /// Monotonic time of the record that `take` lends, where the source knows it; else 0.
    var recordNanoseconds: UInt64 { get }
    /// Records that the kernel lost since the source was opened, where it tells by itself.
    var lostRecords: UInt64? { get }
    /// Whether it lost some since this was last asked, as far as the records themselves tell.
    var hasFreshLosses: Bool { get }
    /// Whether records were left that the descriptor does not tell of.
    var hasMore: Bool { get }
    /// Whether records may lie there without the descriptor having become readable.
    var isQuiet: Bool { get }
    /// Whether what lies in it, and what comes while no daemon is there, is lost with the daemon.
    var isVolatile: Bool { get }
    /// Sees to it that no record comes any more, so that the source can be emptied.
    func cutOff()
    /// See `RingBuffer.take(from:limit:_:)`.
    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64
    func release(upTo position: UInt64)
}

extension RecordSource {
    package var isPadded: Bool { false }
    package var recordNanoseconds: UInt64 { 0 }
    package var lostRecords: UInt64? { nil }
    package var isQuiet: Bool { false }
    package var hasFreshLosses: Bool { false }
    package var hasMore: Bool { false }
    package var isVolatile: Bool { false }
    package func cutOff() {}
}

/// A kernel's ring buffer as a source.
final class RingSource: RecordSource {
    private let ring: RingBuffer
    let identity: RingIdentity
    let isQuiet: Bool

    /// - Parameter isQuiet: the program submits with `BPF_RB_NO_WAKEUP`.
    /// - Throws: where the boot's id cannot be read.
    init(_ ring: RingBuffer, isQuiet: Bool) throws(JournalError) {
        self.ring = ring
        self.isQuiet = isQuiet
        identity = RingIdentity(
            mapID: UInt64(ring.map.info.id), boot: try RingIdentity.presentBoot())
    }

    var pollDescriptor: Int32 { ring.pollDescriptor }
    var consumerPosition: UInt64 { ring.consumerPosition }
    var dataBytes: Int { ring.dataBytes }

    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 { unsafe ring.take(from: start, limit: limit, body) }

    func release(upTo position: UInt64) { ring.release(upTo: position) }
}
