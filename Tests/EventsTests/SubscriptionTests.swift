import Linux
import Testing

@testable import Events

struct SubscriptionTests {
    let directory: TestDirectory
    let streams: EventStreams
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        streams = try EventStreams(directory: directory.path + "/journal", limits: JournalLimits())
        ring = try MemoryRing()
        try streams.open(opens, source: ring, type: nil, lostCounter: nil)
    }

    @Test func `records arrive in order with everything that api.md names`() throws {
        defer { streams.stop() }
        let client = try streams.client()
        for number in 1...3 as ClosedRange<UInt64> { ring.put(number) }
        let lines = try client.lines(4)
        #expect(lines.map(\.kind) == ["hello", "event", "event", "event"])
        #expect(lines[0].json.members.map(\.name) == ["kind", "cursor", "oldest", "heartbeat_s"])
        #expect(
            lines[1].json.members.map(\.name)
                == ["kind", "cursor", "seq", "time", "program", "map", "type", "data"])
        #expect(lines[1].json["type"] == .null)
        #expect(lines[1].json["program"] == "opens")
        #expect(lines[1].json["data"] == "hex:0100000000000000")
        #expect(lines[1].json["time"]?.string?.utf8.count == 30)
        #expect(lines.dropFirst().map(\.sequence) == [1, 2, 3])
        #expect(lines.dropFirst().map(\.number) == [1, 2, 3])
    }

    @Test func `numbers are right across every change of digits`() throws {
        defer { streams.stop() }
        for number in 1...1234 as ClosedRange<UInt64> { ring.put(number) }
        let client = try streams.client { $0.records = .events }
        let lines = try client.lines(1234)
        #expect(lines.map(\.sequence) == Array(1...1234))
        #expect(lines.map(\.number) == Array(1...1234))
        for line in lines { #expect(line.cursor.hasSuffix(".1-\(line.sequence)")) }
    }

    @Test(arguments: [40, 100, 333, 4096])
    func `a line longer than the buffer goes on in the next read`(_ bytes: Int) throws {
        defer { streams.stop() }
        for number in 1...50 as ClosedRange<UInt64> { ring.put(number, size: 600) }
        let client = try streams.client(bufferBytes: bytes)
        #expect(try client.lines(51).dropFirst().map(\.number) == Array(1...50))
    }

    @Test func `a cursor resumes after its line, whichever it was`() throws {
        defer { streams.stop() }
        for number in 1...20 as ClosedRange<UInt64> { ring.put(number) }
        let lines = try streams.client().lines(21)
        for line in lines {
            let client = try streams.client {
                $0.since = .cursor(line.cursor)
                $0.follow = false
            }
            let rest = try client.lines()
            #expect(rest.first?.cursor == line.cursor)
            let sequences = rest.filter { $0.kind == "event" }.map(\.sequence)
            #expect(sequences == (line.sequence..<20).map { $0 + 1 })
            #expect(rest.last?.reason == "complete")
        }
    }

    @Test func `cursors that this journal never gave are refused`() throws {
        defer { streams.stop() }
        ring.put(1)
        let cursor = try #require(try streams.client().lines(2).last).cursor
        let other = String(cursor.reversed().drop { $0 != "." }.reversed())
        for text in ["", "x", "1" + cursor.dropFirst(), other + "1-2", other + "2-1", cursor + "0"]
        where text != cursor {
            #expect(throws: SubscribeError.self, "\(text)") {
                try streams.client { $0.since = .cursor(text) }
            }
        }
    }

    @Test func `since now gives only what comes after`() throws {
        defer { streams.stop() }
        for number in 1...5 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 6)
        let client = try streams.client { $0.since = .now }
        let hello = try client.lines(1)
        #expect(hello[0].cursor.hasSuffix(".1-5"))
        #expect(hello[0].json["oldest"]?.string?.hasSuffix(".1-0") == true)
        ring.put(6)
        #expect(try client.lines(1).map(\.sequence) == [6])
    }

    @Test func `a limit counts events and ends the answer`() throws {
        defer { streams.stop() }
        for number in 1...5 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 6)
        let lines = try streams.client { $0.limit = 3 }.lines()
        try #require(lines.map(\.kind) == ["hello", "event", "event", "event", "end"])
        #expect(lines.last?.reason == "limit")
        #expect(lines.last?.cursor == lines[3].cursor)
        #expect(try streams.client { $0.limit = 0 }.lines().map(\.kind) == ["hello", "end"])
    }

    @Test func `records=events leaves only events`() throws {
        for number in 1...3 as ClosedRange<UInt64> { ring.put(number) }
        try streams.settle(opens, 4)
        let client = try streams.client { $0.records = .events }
        #expect(try client.lines(3).map(\.kind) == ["event", "event", "event"])
        streams.stop()
        #expect(try client.lines().isEmpty)
        #expect(client.isEnded)
    }

    @Test func `stop ends every reader, also one that comes later`() throws {
        let client = try streams.client()
        _ = try client.lines(1)
        #expect(client.step() == .wait)
        streams.stop()
        #expect(try client.lines().map(\.reason) == ["shutdown"])
        #expect(try streams.client().lines().map(\.kind) == ["hello", "end"])
    }

    @Test func `deleting a program ends the readers that name it, after its last record`() throws {
        defer { streams.stop() }
        let named = try streams.client { $0.program = "opens" }
        let all = try streams.client()
        ring.put(1)
        streams.close(opens, reason: .programDeleted)
        #expect(try named.lines().map(\.kind) == ["hello", "event", "end"])
        #expect(try all.lines(2).map(\.kind) == ["hello", "event"])
        #expect(all.step() == .wait)
        // What is retained can still be read.
        let late = try streams.client {
            $0.program = "opens"
            $0.follow = false
        }
        #expect(try late.lines().map(\.kind) == ["hello", "event", "end"])
    }

    @Test func `a reader follows a stream that appears after it came`() throws {
        defer { streams.stop() }
        let client = try streams.client {
            $0.program = "execs"
            $0.since = .now
        }
        #expect(try client.lines(1).map(\.kind) == ["hello"])
        #expect(client.step() == .wait)
        let other = try MemoryRing(id: 8)
        other.put(41)
        try streams.open(execs, source: other, type: nil, lostCounter: nil)
        #expect(try client.lines(1).map(\.number) == [41])
        // And goes on where a new ring of the same name begins.
        streams.close(execs, reason: .shutdown)
        let third = try MemoryRing(id: 9)
        third.put(42)
        try streams.open(execs, source: third, type: nil, lostCounter: nil)
        let again = try streams.client { $0.program = "execs" }
        #expect(try again.lines(3).dropFirst().map(\.sequence) == [1, 2])
    }

    @Test func `heartbeats carry the cursor while nothing happens`() throws {
        defer { streams.stop() }
        ring.put(1)
        let client = try streams.client { $0.heartbeatSeconds = 1 }
        let lines = try client.lines(3)
        #expect(lines.map(\.kind) == ["hello", "event", "heartbeat"])
        #expect(lines[2].cursor == lines[1].cursor)
        #expect(lines[2].json["time"]?.string?.utf8.count == 30)
    }
}

extension SubscriptionTests {
    @Test func `server-sent events have the cursor as id`() throws {
        defer { streams.stop() }
        ring.put(1)
        try streams.settle(opens, 2)
        let client = try streams.client {
            $0.format = .sse
            $0.follow = false
        }
        while client.step() != .end {}
        let blocks = String(decoding: client.text, as: UTF8.self).split(separator: "\n\n")
        #expect(blocks.count == 3)
        for (block, kind) in zip(blocks, ["hello", "event", "end"]) {
            let fields = block.split(separator: "\n")
            #expect(fields.count == 3)
            let id = try #require(fields.first).dropFirst("id: ".count)
            #expect(fields[1] == "event: \(kind)")
            #expect(fields[2].hasPrefix(#"data: {"kind":"\#(kind)","cursor":"\#(id)""#))
            #expect(fields[2].hasSuffix("}"))
        }
    }

    @Test func `a JSON sequence has a separator before each record`() throws {
        defer { streams.stop() }
        ring.put(1)
        try streams.settle(opens, 2)
        let client = try streams.client {
            $0.format = .jsonSequence
            $0.follow = false
        }
        while client.step() != .end {}
        let parts = client.text.split(separator: 0x1e)
        #expect(parts.count == 3)
        for part in parts {
            #expect(part.last == UInt8(ascii: "\n"))
            #expect(part.first == UInt8(ascii: "{"))
        }
    }

    @Test func `a type is named, its data rendered, and others are left out`() throws {
        defer { streams.stop() }
        let typed = try MemoryRing(id: 8)
        try streams.open(execs, source: typed, type: .untyped(8), lostCounter: nil)
        typed.put(77)
        ring.put(1)
        try streams.settle(execs, 2)
        try streams.settle(opens, 2)
        let client = try streams.client {
            $0.type = "event"
            $0.follow = false
        }
        let lines = try client.lines()
        try #require(lines.map(\.kind) == ["hello", "event", "end"])
        #expect(lines[1].json["type"] == "event")
        #expect(lines[1].json["data"] == 77)
        let reader = streams.ledger().first { $0.key == opens }?.readers.first
        #expect(reader?.filtered == 1)
    }

    @Test func `a record shorter than its type is invalid, counted and shown on request`() throws {
        defer { streams.stop() }
        let typed = try MemoryRing(id: 8)
        try streams.open(execs, source: typed, type: .untyped(8), lostCounter: nil)
        typed.put(1)
        typed.put([1, 2, 3])
        typed.put(3)
        try streams.settle(execs, 4)
        func lines(_ records: StreamQuery.Records) throws -> [Line] {
            try streams.client {
                $0.program = "execs"
                $0.follow = false
                $0.records = records
            }.lines()
        }
        #expect(try lines(.events).map(\.sequence) == [1, 3])
        let invalid = try lines(.invalid)
        #expect(invalid.map(\.kind) == ["hello", "event", "end"])
        #expect(invalid[1].json["invalid"] == "size")
        #expect(invalid[1].json["data"] == "hex:010203")
        let ledger = try #require(streams.ledger().first { $0.key == execs })
        #expect(ledger.received == 3)
        #expect(ledger.journaled == 2)
        #expect(ledger.invalid == ["size": 1])
    }

    @Test func `200 readers share one rendering`() throws {
        defer { streams.stop() }
        let clients = try (0..<200).map { _ in try streams.client { $0.records = .events } }
        for number in 1...300 as ClosedRange<UInt64> { ring.put(number) }
        for client in clients { #expect(try client.lines(300).map(\.number) == Array(1...300)) }
        let rendered = streams.journal.streams.reduce(0) { $0 + $1.renderings.renderedLines }
        // A line at the end of a full chunk may be made twice.
        #expect(rendered >= 300 && rendered < 305)
    }
}
