import Linux
import Testing

@testable import Events

/// More comes than the foremost reader takes, and its next records would be the next to go.
struct FloodTests {
    let directory: TestDirectory
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        ring = try MemoryRing()
    }

    /// Four segments of 248 records.
    private func streams(in name: String = "journal", live: UInt64) throws -> EventStreams {
        var limits = JournalLimits()
        limits.bytesPerStream = 1 << 20
        limits.segmentBytes = 256 << 10
        limits.liveNanoseconds = live
        limits.floodPerSecond = 0
        return try EventStreams(directory: directory.path + "/" + name, limits: limits)
    }

    private func put(_ numbers: ClosedRange<UInt64>) {
        for number in numbers { ring.put(number, size: 1024) }
        while ring.consumerPosition < numbers.upperBound * 1032 {
            Clock.sleep(nanoseconds: 1_000_000)
        }
    }

    /// Ten times as much as the client reads.
    private func flood(_ streams: EventStreams, _ client: Client) throws {
        for round in 0..<10 as Range<UInt64> {
            put(round * 200 + 1...round * 200 + 200)
            guard case .more = client.step() else {
                Issue.record("the client found nothing to read")
                return
            }
        }
    }

    /// Adds up events and gaps to `count`, and tells where each gap is.
    private func check(
        _ client: Client, _ count: UInt64, from oldest: UInt64 = 1
    ) throws -> [(after: UInt64, line: Line)] {
        var (sequence, gaps): (UInt64, [(UInt64, Line)]) = (oldest - 1, [])
        while sequence < count {
            let line = try #require(try client.lines(1).first)
            if line.kind == "event" {
                sequence += 1
                #expect(line.sequence == sequence)
                #expect(line.number == sequence)
            } else if line.kind == "gap" {
                gaps.append((sequence, line))
                sequence &+= line.lost
            }
        }
        #expect(sequence == count)
        return gaps
    }

    @Test func `the records that a live reader comes to stay, and the newest go`() throws {
        let streams = try streams(live: .max)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        let client = try streams.client()
        try flood(streams, client)
        let held = try #require(streams.ledger().first)
        #expect(held.oldestSequence == 1, "what the reader needs was evicted")
        #expect(held.received < 1000)
        ring.put(2001, size: 1024)
        let gaps = try check(client, 2001)
        #expect(gaps.map(\.line.place) == ["journal"])
        #expect(gaps.first?.after == held.received)
        let told = try #require(streams.ledger().first)
        #expect(told.received + told.lostInJournal == 2001)
        #expect(told.readers.first?.lost == 0)
    }

    @Test func `for a reader that hardly reads nothing is held`() throws {
        let streams = try streams(live: 0)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        let client = try streams.client()
        try flood(streams, client)
        let gaps = try check(client, 2000)
        #expect(Set(gaps.map(\.line.place)) == ["subscriber"])
        #expect(streams.ledger().first?.received == 2000)
        #expect(streams.ledger().first?.lostInJournal == 0)
    }

    @Test func `the loss is told without another record`() throws {
        let streams = try streams(live: .max)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        let client = try streams.client()
        try flood(streams, client)
        #expect(try check(client, 2000).map(\.line.place) == ["journal"])
    }

    @Test func `where the program counts its losses the ring is left full`() throws {
        let small = try MemoryRing(id: 8, dataBytes: 128 << 10)
        let streams = try streams(live: .max)
        defer { streams.stop() }
        try streams.open(opens, source: small, type: nil, lostCounter: MemoryCounter(ring: small))
        let client = try streams.client()
        // As much as the journal holds, at the reader's pace; then ten times as much as it reads.
        var (number, given) = (0 as UInt64, 0 as UInt64)
        for round in 0..<100 {
            for _ in 0..<40 {
                number += 1
                if small.put(number, size: 1024) { given += 1 }
            }
            if round % 10 == 0 { _ = client.step() }
            Clock.sleep(nanoseconds: 2_000_000)
        }
        let lost = small.lost
        #expect(lost > 0, "the ring was never full")
        #expect(lost + given == number)
        let held = try #require(streams.ledger().first)
        #expect(held.lostInJournal == 0, "records were taken only to count them")
        // The ring's rest comes once there is room, and the gap is told once.
        var (events, gap, sequence) = (0 as UInt64, 0 as UInt64, 0 as UInt64)
        while events < given || gap < lost {
            let line = try #require(try client.lines(1).first)
            switch line.kind {
            case "event":
                events += 1
                sequence += 1
                #expect(line.sequence == sequence)
            case "gap":
                #expect(line.place == "kernel")
                gap += line.lost
                sequence &+= line.lost
            default: break
            }
        }
        #expect((events, gap) == (given, lost))
        let told = try #require(streams.ledger().first)
        #expect((told.received, told.lostInKernel, told.lostInJournal) == (given, lost, 0))
    }

    @Test func `a reader that leaves holds nothing up`() throws {
        let streams = try streams(live: .max)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        do {
            let client = try streams.client()
            try flood(streams, client)
        }
        put(2001...4000)
        let ledger = try #require(streams.ledger().first)
        #expect(ledger.received + ledger.lostInJournal == 4000)
        #expect(ledger.oldestSequence > 2000)
    }

    @Test func `a stream that is closed tells what it lost`() throws {
        let streams = try streams(live: .max)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        let client = try streams.client()
        try flood(streams, client)
        streams.close(opens, reason: .programDeleted)
        let ledger = try #require(streams.ledger().first)
        #expect(ledger.received + ledger.lostInJournal == 2000)
    }

    @Test func `a loss that nobody was told of is told after a crash`() throws {
        let first = try streams(live: .max)
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        let client = try first.client()
        try flood(first, client)
        #expect(first.ledger().first?.lostInJournal == 0)
        try directory.copy("journal", to: directory.path + "/killed")
        // It must not take from the ring what is the other's.
        first.stop()
        let second = try streams(in: "killed", live: .max)
        defer { second.stop() }
        try second.open(opens, source: ring, type: nil, lostCounter: nil)
        ring.put(2001, size: 1024)
        try second.settle(opens, 2002)
        let ledger = try #require(second.ledger().first)
        #expect(ledger.received + ledger.lostInJournal == 2001)
        let after = try check(try second.client(), 2001, from: ledger.oldestSequence)
        #expect(after.map(\.line.place) == ["journal"])
    }
}
