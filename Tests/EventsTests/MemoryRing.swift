import Linux
import Synchronization

@testable import Events

/// A ring of records in memory: the second source of records beside the kernel's. It outlives the
/// streams that read it, as a kernel's ring outlives the daemon.
final class MemoryRing: RecordSource {
    private struct State {
        var records: [(bytes: [UInt8], after: UInt64)] = []
        var consumer: UInt64 = 0
        var producer: UInt64 = 0
        var lost: UInt64 = 0
    }
    private let state = Mutex(State())
    private let readable: Wakeup
    /// Who holds it stops the pump where records are committed, but not yet published.
    let releases = Mutex(())
    /// Called whenever somebody asks which ring it is.
    let asked = Mutex<(@Sendable () -> Void)?>(nil)
    private let ownIdentity: RingIdentity
    let dataBytes: Int

    init(id: UInt64 = 7, boot: UInt64 = 1, dataBytes: Int = 1 << 20) throws {
        ownIdentity = RingIdentity(mapID: id, boot: boot)
        self.dataBytes = dataBytes
        readable = try Wakeup()
    }

    var identity: RingIdentity {
        asked.withLock { $0 }?()
        return ownIdentity
    }
    var pollDescriptor: Int32 { readable.raw }
    var consumerPosition: UInt64 { state.withLock { $0.consumer } }
    var lost: UInt64 { state.withLock { $0.lost } }

    /// False, and counted, where the ring is full.
    @discardableResult
    func put(_ bytes: [UInt8]) -> Bool {
        let isTaken = state.withLock { state in
            let size = UInt64((bytes.count + 8 + 7) & ~7)
            guard state.producer + size - state.consumer <= UInt64(dataBytes) else {
                state.lost += 1
                return false
            }
            state.producer += size
            state.records.append((bytes, state.producer))
            return true
        }
        if isTaken { readable.signal() }
        return isTaken
    }

    func lose(_ count: UInt64) { state.withLock { $0.lost += count } }

    @discardableResult
    func put(_ number: UInt64, size: Int = 8) -> Bool {
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        while bytes.count < size { bytes.append(0xee) }
        return put(bytes)
    }

    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 {
        let (records, consumer) = state.withLock { ($0.records, $0.consumer) }
        var position = max(start, consumer)
        var left = limit
        for (bytes, after) in records where after > position && left > 0 {
            guard unsafe bytes.withUnsafeBytes({ unsafe body($0, after) }) else { break }
            position = after
            left -= 1
        }
        return position
    }

    func release(upTo position: UInt64) {
        let isEmpty = releases.withLock { _ in releaseNow(upTo: position) }
        if isEmpty {
            readable.clear()
            // One that came between the two: readable again.
            if state.withLock({ !$0.records.isEmpty }) { readable.signal() }
        }
    }

    private func releaseNow(upTo position: UInt64) -> Bool {
        state.withLock { state in
            state.consumer = max(state.consumer, position)
            let consumer = state.consumer
            state.records.removeAll { $0.after <= consumer }
            return state.records.isEmpty
        }
    }
}

/// A counter as the macros keep it.
struct MemoryCounter: LostCounter {
    let ring: MemoryRing
    func lostRecords() -> UInt64? { ring.lost }
}
