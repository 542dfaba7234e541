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
    /// See `RingBuffer.take(from:limit:_:)`.
    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64
    func release(upTo position: UInt64)
}

/// A kernel's ring buffer as a source.
final class RingSource: RecordSource {
    private let ring: RingBuffer
    let identity: RingIdentity

    /// - Throws: where the boot's id cannot be read.
    init(_ ring: RingBuffer) throws(JournalError) {
        self.ring = ring
        do {
            var boot = Hash64()
            boot.add(try Clock.bootID().utf8)
            identity = RingIdentity(mapID: UInt64(ring.map.info.id), boot: boot.value)
        } catch {
            throw JournalError(reason: "the boot's id cannot be read", errno: error)
        }
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
