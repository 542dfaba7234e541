import BPF
import Linux
import Synchronization
import Testing

@Suite struct BPFRingTests {
    private static let sizes = [17, 24, 61, 200, 1021]
    private let object: BPFObject
    private let program: Program
    private let ring: RingBuffer

    init() throws {
        object = try BPFObject("ring")
        program = try object.program("fill")
        ring = try RingBuffer(object.map("ring"))
    }

    /// Lets the program write records up to this number, without it. Every seventh is discarded.
    private func allow(upTo number: UInt64) throws {
        let variables = try object.map("ring_bss")
        let present = try #require(try variables.lookup(bytes(UInt32(0)).span))
        let value = Array(present.prefix(8)) + bytes(number)  // next, last
        try variables.update(bytes(UInt32(0)).span, value.span, .any)
    }

    private func fill(upTo number: UInt64) throws {
        try allow(upTo: number)
        _ = try program.testRun(data: [UInt8](repeating: 0, count: 64))
    }

    /// The record's number; `nil` where a byte that the program wrote is another.
    private static func number(of record: UnsafeRawBufferPointer) -> UInt64? {
        guard record.count >= 17 else { return nil }
        let number = unsafe record.loadUnaligned(as: UInt64.self)
        let size = unsafe record.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        let check = unsafe record.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        guard record.count == sizes[Int(number % 5)], Int(size) == record.count,
            check == UInt32(truncatingIfNeeded: number) &* 2_654_435_761,
            unsafe record[record.count - 1] == UInt8(truncatingIfNeeded: number)
        else { return nil }
        return number
    }

    private func take(from position: UInt64? = nil, limit: Int = 1000, stopAt: UInt64? = nil)
        -> (numbers: [UInt64?], positions: [UInt64], end: UInt64)
    {
        var numbers: [UInt64?] = []
        var positions: [UInt64] = []
        let end = unsafe ring.take(from: position ?? ring.consumerPosition, limit: limit) {
            let number = unsafe Self.number(of: $0)
            if let stopAt, number == stopAt { return false }
            numbers.append(number)
            positions.append($1)
            return true
        }
        return (numbers, positions, end)
    }

    @Test func `a million records through a small ring arrive whole and in order`() throws {
        let total: UInt64 = 1_000_000
        try allow(upTo: total)
        let poller = try Poller()
        try poller.add(ring.pollDescriptor, tag: 1)
        let state = Shared()
        let producer = try NamedThread("ring-producer") { [program] in
            do {
                let packet = [UInt8](repeating: 0, count: 64)
                while try program.testRun(data: packet).returnValue == 0, !state.isStopped {}
            } catch {
                state.fail("\(error)")
            }
        }
        var expected: UInt64 = 0
        var isWrong = false
        var wraps: UInt64 = 0
        while expected < total, !isWrong, state.failure == nil {
            let before = ring.consumerPosition
            let after = unsafe ring.take(limit: 100) { record, _ in
                if expected % 7 == 6 { expected += 1 }
                isWrong = unsafe Self.number(of: record) != expected
                expected += 1
                return !isWrong
            }
            ring.release(upTo: after)
            wraps += after / UInt64(ring.dataBytes) - before / UInt64(ring.dataBytes)
            if after == before, try poller.wait(timeoutMilliseconds: 10_000).isEmpty {
                Issue.record("nothing for 10 s")
                break
            }
        }
        state.stop()
        producer.join()
        #expect(!isWrong, "at \(expected)")
        #expect(state.failure == nil)
        #expect(expected == total)
        #expect(wraps > 1000)
        #expect(ring.consumerPosition == ring.producerPosition)
    }

    @Test func `taking moves nothing, releasing does, and the next owner goes on there`() throws {
        try fill(upTo: 10)
        let first = take()
        try #require(first.numbers == [0, 1, 2, 3, 4, 5, 7, 8, 9])
        #expect(first.end == ring.producerPosition)
        #expect(ring.consumerPosition == 0)
        #expect(take().numbers == first.numbers)

        ring.release(upTo: first.positions[3])
        #expect(ring.consumerPosition == first.positions[3])
        #expect(take().numbers == [4, 5, 7, 8, 9])

        let next = try RingBuffer(object.map("ring"))
        #expect(next.consumerPosition == first.positions[3])
        next.release(upTo: first.end)
        #expect(take().numbers.isEmpty)
        ring.release(upTo: 8)
        #expect(ring.consumerPosition == first.end, "a position never goes back")
    }

    @Test func `a limit, a refusal and a later start are kept`() throws {
        try fill(upTo: 10)
        let two = take(limit: 2)
        try #require(two.numbers == [0, 1])
        #expect(two.end == two.positions[1])
        #expect(take(from: two.end, limit: 3).numbers == [2, 3, 4])
        let refused = take(stopAt: 7)
        #expect(refused.numbers == [0, 1, 2, 3, 4, 5])
        #expect(take(from: refused.end).numbers == [7, 8, 9], "the discarded one was skipped")
    }

    @Test func `a full ring takes records again once space was released`() throws {
        for _ in 0..<20 { try fill(upTo: 100_000) }
        let full = take()
        #expect(full.end == ring.producerPosition)
        #expect(full.end > UInt64(ring.dataBytes) - 2048)
        try fill(upTo: 100_000)
        #expect(ring.producerPosition == full.end)
        ring.release(upTo: full.end)
        try fill(upTo: 100_000)
        #expect(ring.producerPosition > full.end)
        let last = try #require(full.numbers.last ?? nil)
        let next = try #require(take().numbers.first ?? nil)
        #expect(next > last && next <= last + 2)
    }

    @Test func `a map of another type is no ring`() throws {
        let error = #expect(throws: BPFError.self) {
            _ = try RingBuffer(object.map("ring_bss"))
        }
        #expect(error?.errno == .einval)
    }
}

/// What the producer's thread and the test tell each other.
private final class Shared: Sendable {
    private let stopped = Atomic<Bool>(false)
    private let text = Mutex<String?>(nil)

    var isStopped: Bool { stopped.load(ordering: .relaxed) }
    var failure: String? { text.withLock { $0 } }
    func stop() { stopped.store(true, ordering: .relaxed) }
    func fail(_ reason: String) { text.withLock { $0 = reason } }
}
