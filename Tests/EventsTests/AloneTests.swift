import Linux
import Testing

@testable import Events

/// A reader alone has its text rendered straight into what it sends, readers of one stream share it:
/// the bytes are the same.
struct AloneTests {
    let directory: TestDirectory
    let streams: EventStreams
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        var limits = JournalLimits()
        limits.segmentBytes = 16 << 10
        streams = try EventStreams(directory: directory.path + "/journal", limits: limits)
        ring = try MemoryRing()
        let schema = RecordSchema(try SampleType.make(), rules: ValidationRules())
        let counter = MemoryCounter(ring: ring)
        try streams.open(
            opens, source: ring, StreamOptions(schema: schema, lostCounter: counter))
        let now = Clock.monotonicNanoseconds()
        for number in 0..<700 as Range<UInt32> {
            // Some are invalid, some are lost, some have bytes that no member has.
            if number % 50 == 49 { ring.lose(3) }
            var record = SampleType.record(ts: now + UInt64(number), pid: number % 13)
            if number % 7 == 0 { record += [1, 2, 3] }
            ring.put(record)
        }
        // Records and losses have numbers from 1 on.
        try streams.settle(opens, 700 + 42 + 1)
    }

    private static let queries: [(name: String, change: @Sendable (inout StreamQuery) -> Void)] = [
        ("NDJSON", { _ in }),
        ("server-sent events", { $0.format = .sse }),
        ("JSON sequence", { $0.format = .jsonSequence }),
        ("events", { $0.records = .events }),
        ("invalid", { $0.records = .invalid }),
        ("a filter", { $0.filter = try? Filter(parsing: "pid > 6") }),
        ("a sample", { $0.sample = StreamQuery.Sample(1, of: 3) }),
        ("fields", { $0.fields = ["pid", "comm"] }),
        ("numbers as text", { $0.int64 = .string }),
        ("a limit", { $0.limit = 123 }),
        ("a type that is not there", { $0.type = "other" }),
        ("a table", { $0.format = .csv }),
    ]

    private func text(_ bytes: Int, _ change: (inout StreamQuery) -> Void) throws -> String {
        let client = try streams.client(bufferBytes: bytes) {
            $0.follow = false
            change(&$0)
        }
        while !client.isEnded { _ = client.step() }
        let ledger = try #require(streams.ledger().first)
        let reader = ledger.readers.first { $0.id == client.subscription.id }
        let counts = reader.map { [$0.delivered, $0.filtered, $0.lost, $0.pending] } ?? []
        return String(decoding: client.text, as: UTF8.self) + "\(counts)"
    }

    @Test(arguments: [1, 7, 100, 333, 4096, 64 << 10])
    func `the text is the same alone and shared`(_ bytes: Int) throws {
        defer { streams.stop() }
        for query in Self.queries {
            let alone = try text(bytes, query.change)
            let other = try streams.client()
            let shared = try text(bytes, query.change)
            withExtendedLifetime(other) {}
            #expect(alone == shared, "\(query.name) in pieces of \(bytes)")
            #expect(alone.utf8.count > 10, "\(query.name)")
        }
    }
}
