import JSON
import Linux
import Testing

@testable import Events

/// What a query lets through and shows of typed records.
struct SelectionTests {
    let directory: TestDirectory
    let streams: EventStreams
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        streams = try EventStreams(
            directory: directory.path + "/journal", limits: JournalLimits(),
            resolver: Names())
        ring = try MemoryRing()
    }

    private struct Names: ValueResolver {
        func symbol(_ address: UInt64) -> String? { "f+\(address)" }
        func controlGroup(_ id: UInt64) -> String? { nil }
        func user(_ id: UInt32) -> String? { nil }
    }

    private func open(_ rules: ValidationRules = ValidationRules()) throws {
        let schema = RecordSchema(try SampleType.make(), rules: rules)
        try streams.open(opens, source: ring, StreamOptions(schema: schema))
    }

    private func put(_ count: UInt32) {
        let now = Clock.monotonicNanoseconds()
        for number in 1...count { ring.put(SampleType.record(ts: now, pid: number)) }
    }

    private func pids(_ change: (inout StreamQuery) -> Void) throws -> [UInt64] {
        let client = try streams.client {
            $0.follow = false
            change(&$0)
        }
        return try client.lines().compactMap { $0.json["data"]?["pid"]?.uint64 }
    }

    @Test func `a filter, a sample and a limit leave out and count`() throws {
        defer { streams.stop() }
        try open()
        put(1000)
        try streams.settle(opens, 1001)
        #expect(try pids { $0.filter = try? Filter(parsing: "pid < 4") } == [1, 2, 3])
        #expect(try pids { $0.filter = try? Filter(parsing: "pid > 2000") } == [])
        #expect(
            try pids { $0.sample = StreamQuery.Sample(1, of: 100) }
                == (0..<10).map { 100 * $0 + 1 })
        #expect(
            try pids {
                $0.filter = try? Filter(parsing: "pid & 1")
                $0.limit = 3
            } == [1, 3, 5])
        let client = try streams.client { $0.filter = try? Filter(parsing: "pid in (500, 900)") }
        #expect(try client.lines(3).compactMap { $0.json["data"]?["pid"]?.uint64 } == [500, 900])
        _ = try client.available()
        let reader = try #require(
            streams.ledger()[0].readers.first { $0.id == client.subscription.id })
        #expect(reader.delivered == 2 && reader.filtered == 998 && reader.pending == 0)
        #expect(reader.journaled == 1000)
    }

    @Test func `what a filter leaves out is passed over in pieces, not in one go`() throws {
        defer { streams.stop() }
        try open()
        put(5000)
        try streams.settle(opens, 5001)
        let client = try streams.client { $0.filter = try? Filter(parsing: "pid == 5000") }
        #expect(try client.lines(2).last?.json["data"]?["pid"] == 5000)
    }

    @Test func `fields show only these, in their order`() throws {
        defer { streams.stop() }
        try open()
        put(1)
        let client = try streams.client {
            $0.fields = ["comm", "pid"]
            $0.limit = 1
        }
        let line = try #require(try client.lines().first { $0.kind == "event" })
        #expect(line.json["data"]?.object?.members.map(\.name) == ["comm", "pid"])
        let error = try #require(throws: SubscribeError.self) {
            try streams.client { $0.fields = ["pid", "nope"] }
        }
        guard case .unknownField("nope", let reason, position: 5) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(reason.hasPrefix("struct sample has no member nope: ts, pid"))
    }

    @Test func `a filter that no type understands is refused with its place`() throws {
        defer { streams.stop() }
        try open()
        let error = try #require(throws: SubscribeError.self) {
            try streams.client { $0.filter = try? Filter(parsing: "pid == 1 && nope == 2") }
        }
        guard case .invalidFilter(let filter) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(filter.position == 13)
    }

    @Test func `rules refuse by reason, and each can be switched off`() throws {
        defer { streams.stop() }
        try open()
        let now = Clock.monotonicNanoseconds()
        ring.put([1, 2, 3])
        ring.put(SampleType.record(ts: now, pid: 0))
        ring.put(SampleType.record(ts: 0))
        ring.put(SampleType.record(ts: now + 3_600_000_000_000))
        ring.put(SampleType.record(ts: now))
        try streams.settle(opens, 6)
        #expect(streams.ledger()[0].invalid == ["size": 1, "pid": 1, "time": 2])
        #expect(streams.ledger()[0].journaled == 1)
        let client = try streams.client {
            $0.follow = false
            $0.records = .invalid
        }
        let reasons = try client.lines().compactMap { $0.json["invalid"]?.string }
        #expect(reasons == ["size", "pid", "time", "time"])
        var rules = ValidationRules()
        (rules.size, rules.pid, rules.time) = (false, .off, .off)
        try open(rules)
        ring.put([1, 2, 3])
        ring.put(SampleType.record(ts: 0, pid: 0))
        try streams.settle(opens, 8)
        #expect(streams.ledger()[0].journaled == 3)
        let all = try streams.client { $0.follow = false }
        #expect(try all.lines().suffix(3).first?.json["data"] == "hex:010203")
    }

    @Test func `the line's time is the record's own, in wall time`() throws {
        defer { streams.stop() }
        try open()
        let (monotonic, wall) = (Clock.monotonicNanoseconds(), Clock.realtimeNanoseconds())
        ring.put(SampleType.record(ts: monotonic - 60_000_000_000))
        let client = try streams.client { $0.limit = 1 }
        let line = try #require(try client.lines().first { $0.kind == "event" })
        let time = try #require(Timestamp(parsing: line.json["time"]?.string ?? ""))
        let expected = wall - 60_000_000_000
        #expect(time.nanoseconds > expected - 2_000_000_000)
        #expect(time.nanoseconds < expected + 2_000_000_000)
        #expect(line.json["data"]?["ts"]?.uint64 == monotonic - 60_000_000_000)
    }

    @Test func `bytes behind a type are shown as trailing`() throws {
        defer { streams.stop() }
        try open()
        ring.put(SampleType.record(ts: Clock.monotonicNanoseconds()) + [1, 2, 0xff])
        let client = try streams.client { $0.limit = 1 }
        let line = try #require(try client.lines().first { $0.kind == "event" })
        #expect(line.json["trailing"] == "hex:0102ff")
    }

    @Test func `types are told apart by their tag`() throws {
        defer { streams.stop() }
        let one = try SampleType.make("busy_event")
        let other = try SampleType.make("idle_event")
        let schema = try RecordSchema(by: "state", [("BUSY", one), ("0", other)])
        try streams.open(opens, source: ring, StreamOptions(schema: schema))
        let now = Clock.monotonicNanoseconds()
        for state in [5, 0, 9, 5] as [UInt32] {
            ring.put(SampleType.record(ts: now, state: state))
        }
        ring.put([1])
        try streams.settle(opens, 6)
        let all = try streams.client { $0.follow = false }
        let types = try all.lines().filter { $0.kind == "event" }.map { $0.json["type"]?.string }
        #expect(types == ["busy_event", "idle_event", "busy_event"])
        let idle = try streams.client {
            $0.follow = false
            $0.type = "idle_event"
        }
        #expect(try idle.lines().filter { $0.kind == "event" }.map(\.sequence) == [2])
        #expect(streams.ledger()[0].invalid == ["tag": 1, "size": 1])
        #expect(throws: RecordSchema.Failure.self) {
            try RecordSchema(by: "nope", [("1", one)])
        }
        #expect(throws: RecordSchema.Failure.self) {
            try RecordSchema(by: "state", [("BUSY", one), ("5", other)])
        }
    }

    @Test(arguments: [
        ("port", "65535", true), ("port", "0xffff", true), ("port", "65536", false),
        ("port", "-1", false), ("ret", "-1", true), ("ret", "0x80000000", false),
        ("level", "127", true), ("level", "128", false), ("ok", "1", true), ("ok", "2", false),
        ("ts", "18446744073709551615", true), ("ts", "18446744073709551616", false),
        ("mac", "1", false), ("ratio", "1", false), ("port", "", false), ("port", "0x", false),
    ])
    func `a tag that its member cannot have is refused`(member: String, tag: String, fits: Bool)
        throws
    {
        let type = try SampleType.make()
        if fits {
            _ = try RecordSchema(by: member, [(tag, type)])
        } else {
            #expect(throws: RecordSchema.Failure.self) {
                try RecordSchema(by: member, [(tag, type)])
            }
        }
    }

    @Test func `a table has a row for each event and gap, and quotes what needs it`() throws {
        defer { streams.stop() }
        let schema = RecordSchema(try SampleType.make())
        var options = StreamOptions(schema: schema)
        options.lostCounter = MemoryCounter(ring: ring)
        try streams.open(opens, source: ring, options)
        let now = Clock.monotonicNanoseconds()
        ring.put(SampleType.record(ts: now, comm: "a,\"b\"\n"))
        try streams.settle(opens, 2)
        ring.lose(3)
        streams.close(opens, reason: .shutdown)
        let client = try streams.client {
            $0.follow = false
            $0.format = .csv
            $0.fields = ["pid", "comm", "state"]
        }
        while client.step() == .more {}
        let text = String(decoding: client.text, as: UTF8.self)
        let rows = text.components(separatedBy: "\r\n")
        try #require(rows.count == 4)
        #expect(rows[0] == "kind,cursor,seq,time,program,map,type,lost,where,pid,comm,state")
        #expect(rows[1].hasSuffix(",opens,events,sample,,,7,\"a,\"\"b\"\"\n\",BUSY"))
        #expect(rows[2].hasPrefix("gap,") && rows[2].hasSuffix(",,,opens,events,,3,kernel,,,"))
        #expect(rows[3] == "")
    }

    @Test func `a table shows records that came before their type was declared`() throws {
        defer { streams.stop() }
        try streams.open(opens, source: ring, StreamOptions())
        ring.put([1, 2])
        try streams.settle(opens, 2)
        streams.close(opens, reason: .programDeleted)
        let later = try MemoryRing()
        try streams.open(
            opens, source: later, StreamOptions(schema: RecordSchema(try SampleType.make())))
        later.put(SampleType.record(ts: Clock.monotonicNanoseconds()))
        try streams.settle(opens, 3)
        let client = try streams.client {
            $0.follow = false
            $0.format = .csv
        }
        while client.step() == .more {}
        let rows = String(decoding: client.text, as: UTF8.self).components(separatedBy: "\r\n")
        #expect(rows[0].hasSuffix(",ok,port,comm,data"))
        #expect(rows[1].hasSuffix(",,,,,,,,\"hex:0102\""))
        #expect(rows[2].hasSuffix(",true,443,sshd,"))
    }

    @Test func `a member that is called as a column of every table has another name there`() {
        let header = String(
            decoding: CSVText.header(["kind", "pid", "time", "a.type"]), as: UTF8.self)
        let names = header.dropLast().split(separator: ",")
        #expect(names.suffix(4) == ["data.kind", "pid", "data.time", "a.type"])
        #expect(Set(names).count == names.count)
    }

    @Test func `a long poll waits for a first event and gives what there is`() throws {
        defer { streams.stop() }
        try open()
        put(2)
        try streams.settle(opens, 3)
        let first = try streams.client {
            $0.follow = false
            $0.waitNanoseconds = 20_000_000_000
        }
        let lines = try first.lines()
        #expect(lines.map(\.kind) == ["hello", "event", "event", "end"])
        #expect(lines.last?.reason == "complete")
        let cursor = lines.last?.cursor ?? ""
        let second = try streams.client {
            $0.follow = false
            $0.since = .cursor(cursor)
            $0.waitNanoseconds = 20_000_000_000
        }
        while second.step() == .more {}
        put(1)
        #expect(try second.lines().map(\.kind) == ["hello", "event", "end"])
        let third = try streams.client {
            $0.follow = false
            $0.since = .now
            $0.waitNanoseconds = 50_000_000
        }
        #expect(try third.lines().last?.reason == "timeout")
    }

    @Test func `until ends at the first record that is not earlier`() throws {
        defer { streams.stop() }
        try open()
        let now = Clock.monotonicNanoseconds()
        let wall = Clock.realtimeNanoseconds()
        for minutes in [30, 20, 10, 0] as [UInt64] {
            ring.put(
                SampleType.record(ts: now - minutes * 60_000_000_000, pid: UInt32(minutes) + 1))
        }
        try streams.settle(opens, 5)
        for follow in [false, true] {
            let client = try streams.client {
                $0.follow = follow
                $0.untilNanoseconds = wall - 15 * 60_000_000_000
            }
            let lines = try client.lines()
            #expect(lines.compactMap { $0.json["data"]?["pid"]?.uint64 } == [31, 21])
            #expect(lines.last?.reason == "until")
        }
        let later = try streams.client { $0.untilNanoseconds = wall + 200_000_000 }
        #expect(try later.lines().last?.reason == "until")
    }

    @Test func `a reader can be cut off`() throws {
        defer { streams.stop() }
        try open()
        put(3)
        let client = try streams.client()
        client.subscription.end(.slowConsumer)
        #expect(try client.lines().last?.reason == "slow_consumer")
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var (parts, rest) = ([String](), self[...])
        while let end = rest.firstRange(of: separator) {
            parts.append(String(rest[..<end.lowerBound]))
            rest = rest[end.upperBound...]
        }
        return parts + [String(rest)]
    }
}
