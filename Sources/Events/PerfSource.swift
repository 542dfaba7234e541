internal import BPF
internal import Linux

/// The rings of a perf event array as one source.
final class PerfSource: RecordSource, @unchecked Sendable {
    private let rings: PerfRings
    let identity: RingIdentity
    // SAFETY: touched by the pump's thread only.
    private(set) var consumerPosition: UInt64
    private(set) var recordNanoseconds: UInt64 = 0
    private var toldLosses: UInt64 = 0

    /// - Throws: where the boot's id cannot be read.
    init(_ rings: PerfRings) throws(JournalError) {
        self.rings = rings
        identity = RingIdentity(
            mapID: UInt64(rings.map.info.id), boot: try RingIdentity.presentBoot())
        // The rings die with the daemon: positions only have to go on from those of the last one.
        consumerPosition = Clock.boottimeNanoseconds()
    }

    var pollDescriptor: Int32 { rings.pollDescriptor }
    var dataBytes: Int { rings.dataBytes }
    var isPadded: Bool { true }
    var isVolatile: Bool { true }
    var lostRecords: UInt64? { rings.lostRecords }
    var hasMore: Bool { !rings.isEmpty }

    var hasFreshLosses: Bool {
        let told = rings.toldLosses
        defer { toldLosses = told }
        return told != toldLosses
    }

    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 {
        var count: UInt64 = 0
        let taken = unsafe rings.take(limit: limit) { record, nanoseconds in
            recordNanoseconds = nanoseconds
            count += 1
            return unsafe body(record, start + count)
        }
        // Every record moves it by at least one.
        return taken == 0 ? start : start + max(taken, count)
    }

    func cutOff() { rings.cutOff() }

    func release(upTo position: UInt64) {
        rings.release()
        consumerPosition = position
    }
}
