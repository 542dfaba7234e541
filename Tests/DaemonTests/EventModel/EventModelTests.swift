import Foundation
import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Random programs of produce, overflow, kill -9, restart, subscribe, disconnect, resume by cursor
/// and slow down, through the daemon and curl; what every reader got is held against what was
/// produced: nothing twice, nothing out of order, nothing missing that no gap tells of, exact counts.
/// `APIARY_MODEL_SEEDS=200` runs so many, `APIARY_MODEL_SEED=7` begins with that one.
@Suite(.requiresRoot, .needs(.tracepoint), .serialized) struct EventModelTests {
    private static let seeds: ClosedRange<UInt64> = {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["APIARY_MODEL_SEED"].flatMap { UInt64($0) } ?? 1
        let count = environment["APIARY_MODEL_SEEDS"].flatMap { UInt64($0) } ?? 3
        return first...(first + max(count, 1) - 1)
    }()

    @Test(arguments: seeds)
    func `every record is given once or told as lost, whatever happens`(_ seed: UInt64) throws {
        var model = try EventModel(seed)
        for _ in 0..<50 { try model.step() }
        try model.finish()
    }
}

private struct EventModel {
    private var random: Seeded
    private let seed: UInt64
    private let apiary: TestDaemon
    private let workload: Workload
    private let truth = ModelTruth()
    private var readers: [ModelReader]
    private var connections: [ModelConnection?]
    private var calls = 0
    private var kills = 0
    private var connected = 0

    init(_ seed: UInt64) throws {
        self.seed = seed
        random = Seeded(state: seed)
        apiary = try TestDaemon()
        workload = try Workload()
        readers = ModelReader.Wish.allCases.map { [truth] in ModelReader($0, truth) }
        connections = readers.map { _ in nil }
        let kept = try apiary.curl("PUT /v1/programs/m", file: "numbered.bpf.o").answers(201)
        // Now and then so little is retained that who sleeps loses some.
        let bytes = [65_536, 262_144, 4_194_304].randomElement(using: &random) ?? 65_536
        try apiary.curl(
            "PUT /v1/programs/m",
            json: """
                {"object":{"digest":"\(kept["/digest"]?.string ?? "")"},"attach":"auto",
                 "globals":{"target_pid":\(workload.processIdentifier)},
                 "events":{"plain":{"retention":{"bytes":\(bytes)}},
                           "mixed":{"retention":{"bytes":\(bytes)}}}}
                """
        ).answers(200)
        // Everybody's place is before the first record: whoever comes late is told of a gap.
        for index in readers.indices { try ask(index, "follow=false&since=oldest") }
    }

    mutating func step() throws {
        let reader = Int.random(in: 0..<readers.count, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: try produce(Int.random(in: 1...150, using: &random))
        case 25..<30: try produce(Int.random(in: 500...2500, using: &random))
        case 30..<37: try stall()
        case 37..<45: try crash()
        case 45..<48:
            apiary.stop()
            try collectAll()
            try apiary.start()
        case 48..<62: try subscribe(reader)
        case 62..<68: try disconnect(reader)
        case 68..<76: connections[reader]?.signal(SIGSTOP)
        case 76..<82: connections[reader]?.signal(SIGCONT)
        case 82..<94: try ask(reader)
        default: try checkLedger()
        }
        for index in readers.indices {
            try collect(index)
            expectNoFaults(index)
        }
    }

    private func expectNoFaults(_ index: Int) {
        let reader = readers[index]
        #expect(
            reader.faults.prefix(3) == [],
            "seed \(seed), \(reader.wish), after \(calls) calls and \(kills) kills")
    }

    private mutating func produce(_ count: Int) throws {
        try workload.getpgid(count)
        calls += count
    }

    /// A daemon that does not come to read: the rings overflow.
    private mutating func stall() throws {
        apiary.signal(SIGSTOP)
        try produce(Int.random(in: 100...600, using: &random))
        apiary.signal(SIGCONT)
    }

    /// At any instant, while records come; some come while it is away.
    private mutating func crash() throws {
        let count = Int.random(in: 50...1500, using: &random)
        try workload.beginGetpgid(count)
        Clock.sleep(nanoseconds: .random(in: 0...3_000_000, using: &random))
        apiary.kill9()
        try workload.finish()
        calls += count
        kills += 1
        if Bool.random(using: &random) { try produce(Int.random(in: 1...300, using: &random)) }
        try collectAll()
        try apiary.start()
    }

    /// After the daemon has ended so have the answers.
    private mutating func collectAll() throws {
        for index in readers.indices {
            _ = connections[index]?.exitStatus()
            try disconnect(index)
        }
    }

    /// A stream that follows, in one of its formats.
    private mutating func subscribe(_ index: Int) throws {
        try disconnect(index)
        let format = ["ndjson", "sse", "json-seq"].randomElement(using: &random) ?? "ndjson"
        connections[index] = try connection(index, "follow=true&format=\(format)")
    }

    private mutating func connection(_ index: Int, _ how: String) throws -> ModelConnection {
        connected += 1
        let path = apiary.directory + "/curl/model-\(connected)"
        let query = readers[index].wish.query + "&" + how
        guard let cursor = readers[index].cursor else {
            return try ModelConnection(apiary.socket, query, path)
        }
        // Either way to come back.
        return Bool.random(using: &random)
            ? try ModelConnection(apiary.socket, query + "&since=\(cursor)", path)
            : try ModelConnection(
                apiary.socket, query, header: "Last-Event-ID: \(cursor)", path)
    }

    private mutating func disconnect(_ index: Int) throws {
        connections[index]?.end()
        try collect(index)
        connections[index] = nil
    }

    private mutating func collect(_ index: Int) throws {
        for line in try connections[index]?.lines() ?? [] { readers[index].note(line) }
    }

    /// A finite answer: all, some, or a long poll.
    private mutating func ask(_ index: Int) throws {
        try disconnect(index)
        let limit = Int.random(in: 1...400, using: &random)
        let how = [
            "follow=false", "follow=false&limit=\(limit)", "wait=1s&limit=\(limit)",
            "follow=false&format=json-seq", "follow=false&format=sse",
        ]
        try ask(index, how.randomElement(using: &random) ?? how[0])
    }

    private mutating func ask(_ index: Int, _ how: String) throws {
        let connection = try connection(index, how)
        let status = connection.exitStatus()
        let lines = try connection.lines()
        for line in lines { readers[index].note(line) }
        #expect(status == 0, "\(connection.curlLine)\n\(lines.suffix(3).map(\.compact))")
        #expect(lines.last?["kind"] == "end", "\(connection.curlLine)")
    }

    @discardableResult
    private func checkLedger() throws -> [String: JSONValue] {
        let ledger = try apiary.curl("GET /v1/events/ledger?program=m").answers(200)
        var rows: [String: JSONValue] = [:]
        for row in ledger["/items"]?.array ?? [] {
            rows[row["map"]?.string ?? ""] = row
            let received = try LedgerRow(row).received
            #expect(row["produced"]?.int ?? .max <= calls, "seed \(seed): \(row.compact)")
            #expect(received <= calls)
        }
        return rows
    }

    mutating func finish() throws {
        var rows: [String: JSONValue] = [:]
        let isWhole = try Machine.waits {
            rows = try checkLedger()
            return rows.values.allSatisfy { $0["produced"]?.int == calls }
        }
        #expect(isWhole, "seed \(seed): \(calls) calls, \(rows.values.map(\.compact))")
        let numbers = rows.mapValues { $0["received"]?.int ?? 0 }
        let next = rows.mapValues { $0["next_seq"]?.int ?? 0 }
        for map in ["plain", "mixed"] {
            let sent = try apiary.global("m", "\(map)_sent")?.int
            #expect(sent == numbers[map], "seed \(seed), \(map)")
        }
        #expect(rows["mixed"]?.at("/invalid/pid")?.int ?? 0 == (numbers["mixed"] ?? 0) / 13)
        for index in readers.indices {
            try disconnect(index)
            try ask(index, "follow=false")
            #expect(readers[index].lastReason == "complete")
            readers[index].finish(numbers, nextSequence: next)
            expectNoFaults(index)
        }
        // Who was never late was told of all that the kernel lost.
        for reader in readers where reader.evicted == 0 {
            for map in reader.wish.maps {
                let lost = rows[map]?.at("/lost/kernel")?.int
                #expect(reader.told(map) == lost, "seed \(seed), \(reader.wish), \(map)")
            }
        }
        let told = readers.map { "\($0.wish) \($0.events), \($0.evicted) evicted" }
        let lost = rows.mapValues { $0.at("/lost/kernel")?.int ?? -1 }
        print("seed \(seed): \(calls) calls, \(kills) kills, lost \(lost); \(told)")
    }
}
