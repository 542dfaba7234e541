import Linux
import Testing

@testable import Events

struct JournalTests {
    let directory: TestDirectory
    var path: String { directory.path + "/journal" }

    init() throws { directory = try TestDirectory() }

    private func streams(_ limits: JournalLimits = JournalLimits()) throws -> EventStreams {
        try EventStreams(directory: path, limits: limits)
    }

    private func numbers(_ streams: EventStreams) throws -> [UInt64] {
        try streams.client {
            $0.follow = false
            $0.records = .events
        }.lines().map(\.number)
    }

    @Test func `a stream goes on after a restart, and so do its cursors`() throws {
        let ring = try MemoryRing()
        let first = try streams()
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        for number in 1...10 as ClosedRange<UInt64> { ring.put(number) }
        let cursor = try #require(try first.client().lines(8).last).cursor
        try first.settle(opens, 11)
        first.stop()
        ring.put(11)
        let second = try streams()
        defer { second.stop() }
        let client = try second.client { $0.since = .cursor(cursor) }
        #expect(try client.lines(4).dropFirst().map(\.number) == [8, 9, 10])
        try second.open(opens, source: ring, type: nil, lostCounter: nil)
        let last = try client.lines(1)
        #expect(last.map(\.number) == [11])
        #expect(last.map(\.sequence) == [11])
        #expect(second.journal.id == first.journal.id)
    }

    @Test func `what was taken but not given back before a crash is not taken twice`() throws {
        let ring = try MemoryRing()
        let behind = try MemoryRing()
        for number in 1...10 as ClosedRange<UInt64> {
            ring.put(number)
            behind.put(number)
        }
        let first = try streams()
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        try first.settle(opens, 11)
        first.stop()
        // The same ring (by its identity), as if its consumer position had never been written.
        #expect(behind.identity == ring.identity && behind.consumerPosition == 0)
        behind.put(11)
        let second = try streams()
        defer { second.stop() }
        try second.open(opens, source: behind, type: nil, lostCounter: nil)
        try second.settle(opens, 12)
        #expect(try numbers(second) == Array(1...11))
        #expect(behind.consumerPosition == 11 * 16)
    }

    @Test func `another ring begins at its own position`() throws {
        let first = try streams()
        let ring = try MemoryRing(id: 1)
        for number in 1...10 as ClosedRange<UInt64> { ring.put(number) }
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        try first.settle(opens, 11)
        let other = try MemoryRing(id: 2)
        other.put(11)
        // Opened over the old one: what is still in that comes first.
        ring.put(100)
        try first.open(opens, source: other, type: nil, lostCounter: nil)
        try first.settle(opens, 13)
        #expect(try numbers(first) == Array(1...10) + [100, 11])
        first.stop()
        // The same map id after a reboot is another ring.
        let rebooted = try MemoryRing(id: 2, boot: 2)
        rebooted.put(12)
        let second = try streams()
        defer { second.stop() }
        try second.open(opens, source: rebooted, type: nil, lostCounter: nil)
        try second.settle(opens, 15)
        #expect(try numbers(second).suffix(2) == [11, 12])
        // What was left in the old one nobody knows.
        let gap = try #require(
            try second.client { $0.follow = false }.lines().first { $0.kind == "gap" })
        #expect(gap.json["lost"] == .null)
        #expect(gap.place == "kernel")
        #expect(second.ledger()[0].unknownGaps == 1)
    }

    @Test func `bytes beyond the committed tail are never shown`() throws {
        let ring = try MemoryRing()
        let first = try streams()
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        for number in 1...10 as ClosedRange<UInt64> { ring.put(number) }
        try first.settle(opens, 11)
        let stream = try #require(first.journal.streams.first)
        let segment = try #require(stream.state.withLock { $0.segments.last })
        // Half a batch: written, not committed.
        var appender = segment.makeAppender(at: segment.tail, sequence: 11)
        let torn: [UInt8] = [1, 2, 3, 4, 5]
        let isWritten = unsafe torn.withUnsafeBytes { bytes in
            unsafe appender.append(bytes, flags: 0, nanoseconds: 1, position: 9999)
        }
        #expect(isWritten)
        let other = directory.path + "/killed"
        try directory.copy("journal", to: other)
        first.stop()
        let second = try EventStreams(directory: other, limits: JournalLimits())
        defer { second.stop() }
        #expect(try numbers(second) == Array(1...10))
        let next = try MemoryRing(id: 9)
        next.put(11)
        try second.open(opens, source: next, type: nil, lostCounter: nil)
        // What the killed one left in its ring nobody knows: that takes a number too.
        try second.settle(opens, 13)
        #expect(try numbers(second) == Array(1...11))
    }

    /// The journal of a daemon that took one record.
    private func leaveOneRecord() throws {
        let ring = try MemoryRing()
        let first = try streams()
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        ring.put(1)
        try first.settle(opens, 2)
        first.stop()
    }

    @Test func `an unfinished or damaged file is put aside, and the rest is read`() throws {
        try leaveOneRecord()
        let empty = path + "/1/" + Recovery.fileName(2)
        try FileSystem.replace(empty, with: [UInt8](repeating: 0, count: 4096).span)
        try FileSystem.replace(path + "/1/nonsense.segment", with: [1, 2, 3].span)
        let second = try streams()
        defer { second.stop() }
        #expect(try numbers(second) == [1])
        #expect(!FileSystem.exists(empty))
    }

    @Test func `damaged entries become a gap, never a crash`() throws {
        var random = Seeded(11)
        let ring = try MemoryRing()
        let first = try streams()
        try first.open(opens, source: ring, type: .untyped(8), lostCounter: nil)
        for number in 1...200 as ClosedRange<UInt64> { ring.put(number) }
        try first.settle(opens, 201)
        first.stop()
        let file = path + "/1/" + Recovery.fileName(1)
        let sound = try FileSystem.read(file)
        for _ in 0..<100 {
            var bytes = sound
            for _ in 0..<8 {
                let place = Int.random(in: 0..<9000, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            try FileSystem.replace(file, with: bytes.span)
            let second = try streams()
            try second.open(opens, source: ring, type: .untyped(8), lostCounter: nil)
            _ = try second.client { $0.follow = false }.lines()
            second.stop()
            try FileSystem.removeTree(path + "/1")
            try FileSystem.makeDirectory(path + "/1")
            try StreamMeta(key: opens, end: Totals(), mark: RingMark()).write(path + "/1")
        }
    }

    @Test func `a damaged time is no time at which something expires`() throws {
        try leaveOneRecord()
        let file = path + "/1/" + Recovery.fileName(1)
        var bytes = try FileSystem.read(file)
        // The time of the entry.
        let place = SegmentHeader.byteCount + 16
        for index in place..<place + 8 { bytes[index] = 0xff }
        try FileSystem.replace(file, with: bytes.span)
        let second = try streams()
        defer { second.stop() }
        second.waitForThreads()
        #expect(second.journal.evictExpired(now: Clock.realtimeNanoseconds()) == .max)
        #expect(try numbers(second) == [1])
        // Nobody wants its type, and two streams are merged: it is passed over, or given, as well.
        let other = try second.client {
            $0.type = "other"
            $0.follow = false
        }
        #expect(try other.lines().map(\.kind) == ["hello", "end"])
        let next = try MemoryRing(id: 8)
        try second.open(execs, source: next, type: nil, lostCounter: nil)
        next.put(2)
        try second.settle(execs, 2)
        #expect(try numbers(second).sorted() == [1, 2])
    }

    @Test func `segments roll, double, and keep a record larger than themselves`() throws {
        var limits = JournalLimits()
        limits.segmentBytes = 512 << 10
        let ring = try MemoryRing(dataBytes: 8 << 20)
        let streams = try streams(limits)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        for number in 1...300 as ClosedRange<UInt64> { ring.put(number, size: 5000) }
        ring.put(301, size: 700 << 10)
        ring.put(302)
        try streams.settle(opens, 303)
        let stream = try #require(streams.journal.streams.first)
        let sizes = stream.state.withLock { $0.segments.map(\.size) }
        #expect(sizes.prefix(3) == [256 << 10, 512 << 10, 512 << 10])
        #expect(sizes.contains { $0 > 700 << 10 })
        let place = cursor(streams, 299)
        let client = try streams.client {
            $0.follow = false
            $0.records = .events
            $0.since = .cursor(place)
        }
        let lines = try client.lines()
        try #require(lines.map(\.number) == [300, 301, 302])
        #expect(lines[1].json["data"]?.string?.utf8.count == 4 + 2 * (700 << 10))
    }

    private func cursor(_ streams: EventStreams, _ sequence: UInt64) -> String {
        let cursor = Cursor(
            journal: streams.journal.id, places: [.init(stream: 1, sequence: sequence)])
        return String(decoding: cursor.text, as: UTF8.self)
    }

    private var small: JournalLimits {
        var limits = JournalLimits()
        limits.bytesPerStream = 64 << 10
        limits.bytesInAll = 128 << 10
        return limits
    }

    @Test func `an evicted cursor gets a gap with the exact count`() throws {
        let ring = try MemoryRing()
        let streams = try streams(small)
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        ring.put(1)
        let cursor = try #require(try streams.client().lines(2).last).cursor
        let slow = try streams.client()
        #expect(slow.step() == .more)  // hello and the first
        for number in 2...5000 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 5001)
        let ledger = try #require(streams.ledger().first)
        #expect(ledger.retainedBytes <= 64 << 10)
        #expect(ledger.oldestSequence > 2)
        #expect(ledger.evicted == ledger.oldestSequence - 1)
        let lines = try streams.client {
            $0.since = .cursor(cursor)
            $0.follow = false
        }.lines()
        #expect(lines[1].kind == "gap")
        #expect(lines[1].lost == ledger.oldestSequence &- 2)
        #expect(lines[1].place == "journal")
        #expect(lines[1].json["program"] == "opens")
        #expect(lines[2].sequence == ledger.oldestSequence)
        #expect(lines.filter { $0.kind == "event" }.last?.number == 5000)
        // The gap's own cursor resumes behind it.
        let again = try streams.client {
            $0.since = .cursor(lines[1].cursor)
            $0.limit = 1
        }.lines()
        #expect(again[1].sequence == ledger.oldestSequence)
        // A reader that was there all the time is told that it was too slow.
        let woken = try slow.available()
        #expect(woken.prefix(3).map(\.kind) == ["hello", "event", "gap"])
        #expect(woken[2].place == "subscriber")
        #expect(woken[2].lost == ledger.oldestSequence - 2)
        #expect(woken.count == 3 + Int(5001 - ledger.oldestSequence))
    }

    @Test func `a noisy stream does not evict a quiet one`() throws {
        let (noisy, quiet) = (try MemoryRing(id: 1), try MemoryRing(id: 2))
        var limits = small
        limits.bytesPerStream = 1 << 20
        limits.bytesInAll = 320 << 10
        limits.segmentBytes = 64 << 10
        let streams = try streams(limits)
        defer { streams.stop() }
        try streams.open(execs, source: quiet, type: nil, lostCounter: nil)
        try streams.open(opens, source: noisy, type: nil, lostCounter: nil)
        quiet.put(1)
        try streams.settle(execs, 2)
        for number in 1...40_000 as ClosedRange<UInt64> { noisy.put(number) }
        try streams.settle(opens, 40_001)
        let ledgers = streams.ledger()
        #expect(ledgers.map(\.oldestSequence)[0] == 1)
        #expect(ledgers.map(\.oldestSequence)[1] > 1)
        #expect(ledgers.reduce(0) { $0 + $1.retainedBytes } <= 320 << 10)
    }

    @Test func `what is older than the age goes, and the numbers go on`() throws {
        let ring = try MemoryRing()
        var limits = JournalLimits()
        let first = try streams(limits)
        try first.open(opens, source: ring, type: nil, lostCounter: nil)
        for number in 1...5 as ClosedRange<UInt64> { ring.put(number) }
        try first.settle(opens, 6)
        first.stop()
        limits.ageSeconds = 0
        let second = try streams(limits)
        try second.open(opens, source: ring, type: nil, lostCounter: nil)
        ring.put(6)
        // Told of, or evicted before it could be read: either way it has a number.
        while second.ledger().first?.nextSequence != 7 || second.ledger().first?.evicted != 6 {
            Clock.sleep(nanoseconds: 1_000_000)
        }
        second.stop()
        let third = try streams()
        defer { third.stop() }
        #expect(third.ledger().first?.nextSequence == 7)
        #expect(third.ledger().first?.journaled == 6)
        ring.put(7)
        try third.open(opens, source: ring, type: nil, lostCounter: nil)
        let place = cursor(third, 3)
        let lines = try third.client { $0.since = .cursor(place) }.lines(3)
        #expect(lines[1].lost == 3)
        #expect(lines[2].sequence == 7)
    }

    @Test func `what the program lost is told where it was noticed, once, over restarts`() throws {
        let ring = try MemoryRing()
        let first = try streams()
        let counter = MemoryCounter(ring: ring)
        try first.open(opens, source: ring, type: nil, lostCounter: counter)
        ring.put(1)
        try first.settle(opens, 2)
        ring.lose(42)
        first.close(opens, reason: .shutdown)
        first.stop()
        let second = try streams()
        defer { second.stop() }
        try second.open(opens, source: ring, type: nil, lostCounter: counter)
        ring.put(2)
        let lines = try second.client().lines(4)
        #expect(lines.map(\.kind) == ["hello", "event", "gap", "event"])
        #expect(lines[2].lost == 42)
        #expect(lines[2].place == "kernel")
        #expect(lines[3].sequence == 44)
        let ledger = try #require(second.ledger().first)
        #expect(ledger.lostInKernel == 42)
        #expect(ledger.produced == 44)
        #expect(ledger.received == 2)
        let resumed = try second.client {
            $0.since = .cursor(lines[2].cursor)
            $0.limit = 1
        }.lines()
        #expect(resumed[1].number == 2)
    }

    @Test func `a record that the limits can never hold is lost alone, and told`() throws {
        let ring = try MemoryRing()
        var limits = JournalLimits()
        limits.bytesPerStream = 128 << 10
        let streams = try streams(limits)
        defer { streams.stop() }
        ring.put(1, size: 200 << 10)
        ring.put(2)
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        let lines = try streams.client().lines(3)
        #expect(lines.map(\.kind) == ["hello", "gap", "event"])
        #expect(lines[1].place == "journal")
        #expect(lines[1].lost == 1)
        #expect(lines[2].number == 2)
        #expect(lines[2].sequence == 2)
        let ledger = try #require(streams.ledger().first)
        #expect(ledger.lostInJournal == 1)
        #expect(ledger.received == 1)
    }

    @Test func `where the file system refuses, the loss is told when there is room again`() throws {
        let ring = try MemoryRing()
        let streams = try streams()
        defer { streams.stop() }
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
        // A directory that is gone refuses every new file.
        try FileSystem.rename(path + "/1", to: directory.path + "/away")
        for number in 1...5 as ClosedRange<UInt64> { ring.put(number) }
        while ring.consumerPosition < 5 * 16 { Clock.sleep(nanoseconds: 1_000_000) }
        try FileSystem.rename(directory.path + "/away", to: path + "/1")
        ring.put(6)
        let lines = try streams.client().lines(3)
        #expect(lines.map(\.kind) == ["hello", "gap", "event"])
        #expect(lines[1].lost == 5)
        #expect(lines[2].sequence == 6)
    }
}
