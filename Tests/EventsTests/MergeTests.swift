import JSON
import Testing

@testable import Events

struct MergeTests {
    @Test(arguments: [StreamFormat.ndjson, .sse])
    func `streams are merged by time, and the merge's cursor resumes it`(_ format: StreamFormat)
        throws
    {
        let directory = try TestDirectory()
        let streams = try EventStreams(directory: directory.path, limits: JournalLimits())
        defer { streams.stop() }
        let rings = [try MemoryRing(id: 1), try MemoryRing(id: 2)]
        try streams.open(opens, source: rings[0], type: nil, lostCounter: nil)
        try streams.open(execs, source: rings[1], type: nil, lostCounter: nil)
        var random = Seeded(3)
        var counts: [UInt64] = [0, 0]
        for _ in 0..<30 {
            let which = Int.random(in: 0...1, using: &random)
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                counts[which] += 1
                rings[which].put(counts[which])
            }
            try streams.settle(which == 0 ? opens : execs, counts[which] + 1)
        }
        let client = try streams.client {
            $0.follow = false
            $0.format = format
        }
        let lines: [Line]
        if format == .sse {
            while client.step() != .end {}
            lines = try sseLines(client.text)
        } else {
            lines = try client.lines()
        }
        let events = lines.filter { $0.kind == "event" }
        #expect(events.count == Int(counts[0] + counts[1]))
        let times = events.map { $0.json["time"]?.string ?? "" }
        #expect(times == times.sorted())
        // Each cursor is what was given so far, of both.
        var given: [String: UInt64] = ["opens": 0, "execs": 0]
        for event in events {
            given[event.json["program"]?.string ?? "", default: 0] += 1
            #expect(event.cursor.hasSuffix(".1-\(given["opens"] ?? 0).2-\(given["execs"] ?? 0)"))
        }
        for index in stride(from: 0, to: events.count, by: 37) {
            let rest = try streams.client {
                $0.follow = false
                $0.records = .events
                $0.since = .cursor(events[index].cursor)
            }.lines()
            #expect(rest.map(\.cursor) == events[(index + 1)...].map(\.cursor))
        }
    }

    private func sseLines(_ text: [UInt8]) throws -> [Line] {
        try String(decoding: text, as: UTF8.self).split(separator: "\n\n").map { block in
            let fields = block.split(separator: "\n")
            let value = try JSONValue.parse(String(fields[2].dropFirst(6)))
            let line = Line(json: try #require(value.object))
            #expect(fields[0] == "id: \(line.cursor)")
            return line
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood): the same numbers in every run.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
