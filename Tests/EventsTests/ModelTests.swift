import Testing

@testable import Events

/// Random programs of produce, lose, restart, read, disconnect and resume, held against what was
/// produced: nothing twice, nothing out of order, nothing missing that no gap tells of.
struct ModelTests {
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `every record is given once or told as lost, whatever happens`(_ seed: UInt64) throws {
        var model = try Model(seed)
        for _ in 0..<300 { try model.step() }
        try model.finish()
    }
}

/// One reader over all its connections.
private struct Follower {
    var client: Client?
    var cursor: String?
    var last: Line?
    var gaps: (told: UInt64, evicted: UInt64) = (0, 0)
    var events = 0
    /// Of the present connection.
    var delivered: UInt64 = 0
}

private struct Model {
    private var random: Seeded
    private let directory = try? TestDirectory()
    private let limits: JournalLimits
    private let ring: MemoryRing
    private let type: RecordType
    private var streams: EventStreams
    private var followers = [Follower](repeating: Follower(), count: 4)
    private var next: UInt64 = 0
    private var invalid: Set<UInt64> = []
    private var path: String { (directory?.path ?? "") + "/journal" }

    init(_ seed: UInt64) throws {
        random = Seeded(seed)
        var limits = JournalLimits()
        limits.bytesPerStream = 48 << 10
        limits.segmentBytes = 12 << 10
        self.limits = limits
        // Small enough to overflow now and then.
        ring = try MemoryRing(dataBytes: 16 << 10)
        type = try RecordType.untyped(8)
        streams = try EventStreams(
            directory: (directory?.path ?? "") + "/journal", limits: limits)
        try open()
    }

    private func open() throws {
        try streams.open(opens, source: ring, type: type, lostCounter: MemoryCounter(ring: ring))
    }

    mutating func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50: produce()
        case 50..<53: ring.lose(UInt64.random(in: 1...9, using: &random))
        case 53..<56: try restart()
        case 56..<60:
            streams.close(opens, reason: .shutdown)
            try open()
        case 60..<70: disconnect(Int.random(in: 0..<followers.count, using: &random))
        case 70..<75: checkLedger()
        default: try read(Int.random(in: 0..<followers.count, using: &random))
        }
    }

    private mutating func produce() {
        for _ in 0..<Int.random(in: 1...60, using: &random) {
            if Int.random(in: 0..<20, using: &random) == 0 {
                if ring.put([1, 2, 3]) {
                    invalid.insert(next)
                    next += 1
                }
                continue
            }
            let size = Int.random(in: 8...160, using: &random)
            let bytes = (0..<size).map { $0 < 8 ? UInt8(truncatingIfNeeded: next >> (8 * $0)) : 7 }
            if ring.put(bytes) { next += 1 }
        }
    }

    private mutating func restart() throws {
        for index in followers.indices { disconnect(index) }
        streams.stop()
        streams = try EventStreams(directory: path, limits: limits)
        if Bool.random(using: &random) { produce() }
        try open()
    }

    private mutating func disconnect(_ index: Int) { followers[index].client = nil }

    private mutating func read(_ index: Int) throws {
        if followers[index].client == nil {
            let since: StreamQuery.Since = followers[index].cursor.map { .cursor($0) } ?? .oldest
            let bytes = Int.random(in: 64...5000, using: &random)
            followers[index].client = try streams.client(bufferBytes: bytes) { $0.since = since }
            followers[index].delivered = 0
        }
        guard let client = followers[index].client else { return }
        for _ in 0..<Int.random(in: 1...12, using: &random) where client.step() != .more { break }
        for line in try client.parsedLines() { note(line, index) }
    }

    private mutating func note(_ line: Line, _ index: Int) {
        defer { followers[index].cursor = line.cursor }
        switch line.kind {
        case "gap":
            if line.place == "kernel" {
                followers[index].gaps.told += line.lost
            } else {
                followers[index].gaps.evicted += line.lost
            }
        case "event":
            check(line, followers[index])
            followers[index].last = line
            followers[index].gaps = (0, 0)
            followers[index].events += 1
            followers[index].delivered += 1
        default: break
        }
    }

    /// Holds an event against the one before it and the gaps between them.
    private func check(_ line: Line, _ follower: Follower) {
        let number = line.value
        #expect(!invalid.contains(number) && number < next)
        guard let last = follower.last else { return }
        // Nothing below holds for one that goes back, and the differences would be negative.
        guard number > last.value, line.sequence > last.sequence else {
            Issue.record(
                "\(number) at \(line.sequence) came after \(last.value) at \(last.sequence)")
            return
        }
        let between = line.sequence - last.sequence - 1
        let hidden = UInt64((last.value + 1..<number).filter { invalid.contains($0) }.count)
        let gaps = follower.gaps
        if gaps.evicted == 0 {
            #expect(between == gaps.told + hidden, "\(last.sequence) to \(line.sequence)")
            #expect(number - last.value - 1 == hidden)
        } else {
            // Those of the hidden that were evicted are in the gap.
            #expect(between >= gaps.told + gaps.evicted)
            #expect(between <= gaps.told + gaps.evicted + hidden)
        }
    }

    private func checkLedger() {
        for ledger in streams.ledger() {
            #expect(ledger.received == ledger.journaled + ledger.invalid.values.reduce(0, +))
            let lost = (ledger.lostInKernel ?? 0) + ledger.lostInJournal
            #expect(ledger.produced == ledger.received + lost)
            #expect(ledger.nextSequence == 1 + ledger.received + lost)
            #expect(ledger.retainedBytes <= limits.bytesPerStream)
            for reader in ledger.readers {
                let read = reader.delivered + reader.filtered + reader.lost
                #expect(reader.journaled == read &+ reader.pending)
                #expect(reader.pending <= reader.journaled, "ahead of the ledger")
            }
        }
    }

    mutating func finish() throws {
        streams.close(opens, reason: .shutdown)
        checkLedger()
        let ledger = try #require(streams.ledger().first)
        #expect(ledger.received == next)
        #expect(ledger.invalid["size"] ?? 0 == UInt64(invalid.count))
        #expect(ledger.lostInKernel == ring.lost)
        #expect(ring.lost > 0 && ledger.evicted > 0 && !invalid.isEmpty, "nothing was tried")
        let lastValid = (0..<next).last { !invalid.contains($0) }
        for index in followers.indices {
            try read(index)
            let client = try #require(followers[index].client)
            while client.step() == .more {}
            for line in try client.parsedLines() { note(line, index) }
            if let last = followers[index].last { #expect(last.value == lastValid) }
            let reader = streams.ledger()[0].readers.first { $0.id == client.subscription.id }
            #expect(reader?.delivered == followers[index].delivered)
            #expect(reader?.pending == 0)
            disconnect(index)
        }
        streams.stop()
    }
}

extension Line {
    /// The number of a record whose data is shown by a plan, or in hex.
    fileprivate var value: UInt64 {
        if let number = json["data"]?.uint64 { return number }
        return number
    }
}
