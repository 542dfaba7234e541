import BPF
import Events
import Linux
import Synchronization
import Testing

/// The journal on a kernel's ring: what `EventsTests` shows with a ring in memory.
@Suite struct EventsRingTests {
    private let object: BPFObject
    private let program: Program
    private let key = StreamKey(program: "filler", map: "ring")
    private let directory = "/tmp/events-kernel-\(UInt64.random(in: 0...UInt64.max))"

    init() throws {
        object = try BPFObject("ring")
        program = try object.program("fill")
    }

    /// Lets the program write records up to this number, without it. Every seventh is discarded.
    private func allow(upTo number: UInt64) throws {
        let variables = try object.map("ring_bss")
        let present = try #require(try variables.lookup(bytes(UInt32(0)).span))
        let value = Array(present.prefix(8)) + bytes(number)  // next, last
        try variables.update(bytes(UInt32(0)).span, value.span, .any)
    }

    private func open(_ streams: EventStreams) throws {
        try streams.open(
            key, ring: RingBuffer(object.map("ring")), StreamOptions())
    }

    /// Every event's number, from the first eight bytes of its data.
    private func numbers(_ streams: EventStreams) throws -> [UInt64] {
        var query = StreamQuery()
        query.since = .oldest
        query.follow = false
        query.records = .events
        let subscription = try streams.subscribe(query)
        defer { subscription.close() }
        var text: [UInt8] = []
        while true {
            var step = Subscription.Step.end
            text += unsafe [UInt8](unsafeUninitializedCapacity: 32 << 10) { buffer, count in
                var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
                step = subscription.read(into: &output) {}
                count = unsafe output.finalize(for: buffer)
            }
            if step != .more { break }
        }
        return text.split(separator: UInt8(ascii: "\n")).map { line in
            let colon = line.lastIndex(of: UInt8(ascii: ":")) ?? line.startIndex
            let digits = line[(colon + 1)...].prefix(16)
            let number = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) ?? .max
            return number.byteSwapped
        }
    }

    @Test func `records pass through several lives of the streams, each once, in order`() throws {
        defer { try? FileSystem.removeTree(directory) }
        let total: UInt64 = 40_000
        try allow(upTo: total)
        let isDone = Atomic<Bool>(false)
        let producer = try NamedThread("events-producer") { [program] in
            let packet = [UInt8](repeating: 0, count: 64)
            // 0: the ring is full, or there is more to write; 1: the last number is reached.
            while let run = try? program.testRun(data: packet), run.returnValue == 0 {}
            isDone.store(true, ordering: .releasing)
        }
        var lives = 0
        var journaled: UInt64 = 0
        let expected = (0..<total).filter { $0 % 7 != 6 }
        while journaled < UInt64(expected.count), lives < 10_000 {
            let streams = try EventStreams(directory: directory, limits: JournalLimits())
            try open(streams)
            let start = streams.ledger()[0].journaled
            let goal = min(start + 4000, UInt64(expected.count))
            while streams.ledger()[0].journaled < goal { Clock.sleep(nanoseconds: 200_000) }
            streams.stop()
            journaled = streams.ledger()[0].journaled
            lives += 1
        }
        producer.join()
        let hasEnded = isDone.load(ordering: .acquiring)
        #expect(hasEnded)
        #expect(lives > 3)
        let last = try EventStreams(directory: directory, limits: JournalLimits())
        defer { last.stop() }
        let numbers = try numbers(last)
        #expect(numbers.count == expected.count)
        #expect(numbers == expected)
    }
}
