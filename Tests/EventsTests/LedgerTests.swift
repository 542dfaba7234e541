import Linux
import Testing

@testable import Events

struct LedgerTests {
    let directory: TestDirectory
    let streams: EventStreams
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        streams = try EventStreams(directory: directory.path + "/journal", limits: JournalLimits())
        ring = try MemoryRing()
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
    }

    private func stream() throws -> EventStream { try #require(streams.journal.streams.first) }

    private func waitForTail(of count: Int) throws {
        let segment = try #require(try stream().state.withLock { $0.segments.last })
        let tail = SegmentHeader.byteCount + count * EntryHeader.span(8)
        let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
        while segment.tail < tail {
            try #require(Clock.monotonicNanoseconds() < deadline, "not committed")
            Clock.sleep(nanoseconds: 1_000_000)
        }
    }

    /// A reader comes back with a cursor while what it names is evicted: between the look at the
    /// stream's counts and the search for the entry.
    @Test func `a cursor that is overtaken while it is looked for counts what it lost`() throws {
        defer { streams.stop() }
        for number in 1...3 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 4)
        let stream = try stream()
        var place = Place(stream, .after(1), StreamQuery())
        #expect(place.ledger(1, stream.state.withLock { $0.end }).pending == 2)
        // By the pump's thread, in place of it: nothing is in the ring.
        stream.evictOldest()
        place.sequence = 2
        place.settle()
        let end = stream.state.withLock { $0.end }
        #expect(place.ledger(1, end).journaled == 2)
        #expect(place.ledger(1, end).lost == 0)
        place.jump(to: end)
        let ledger = place.ledger(1, end)
        #expect(ledger.lost == 2)
        #expect(ledger.pending == 0)
    }

    /// The pump commits records to the segment, then tells the stream: who reads in between must not
    /// come to have more than the ledger knows of.
    @Test(arguments: [nil, "other"] as [String?])
    func `no reader is ahead of the ledger while a batch is between journal and stream`(
        _ type: String?
    ) throws {
        defer { streams.stop() }
        for number in 1...3 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 4)
        let client = try streams.client { $0.type = type }
        try ring.releases.withLock { _ in
            ring.put(4)
            try waitForTail(of: 4)
            while client.step() == .more {}
            #expect(try stream().readableEnd == 4, "published: nothing was tried")
            let reader = try #require(streams.ledger().first?.readers.first)
            #expect(reader.pending == 0)
            #expect(reader.journaled == 3)
            #expect(reader.delivered == (type == nil ? 3 : 0))
            #expect(reader.filtered == (type == nil ? 0 : 3))
        }
        try streams.settle(opens, 5)
        while client.step() == .more {}
        let events = try client.parsedLines().filter { $0.kind == "event" }
        #expect(events.map(\.number) == (type == nil ? Array(1...4) : []))
        let reader = streams.ledger().first?.readers.first { $0.id == client.subscription.id }
        #expect(reader?.journaled == 4)
        #expect(reader?.pending == 0)
    }
}
