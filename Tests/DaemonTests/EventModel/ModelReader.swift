import JSON
import Testing

/// What every reader saw of the streams: the same place of a stream is the same record for all.
final class ModelTruth {
    struct Record: Equatable {
        let number: Int
        let attempt: Int
    }

    private(set) var records: [String: [Int: Record]] = [:]

    /// - Returns: false where somebody saw another record there.
    func agrees(_ map: String, _ sequence: Int, _ record: Record) -> Bool {
        let known = records[map, default: [:]].updateValue(record, forKey: sequence)
        return known == nil || known == record
    }
}

/// One reader over all its connections: a client that comes back with its cursor, and holds each
/// line against the one before and against what was produced.
struct ModelReader {
    /// Which records it asks for.
    enum Wish: String, CaseIterable {
        case everything, onePlain, oneMixed, odd, sample, invalid

        var query: String {
            switch self {
            case .everything: "fields=number,attempt"
            case .onePlain: "program=m&map=plain"
            case .oneMixed: "program=m&map=mixed&fields=number,attempt"
            case .odd: "filter=number%20%26%201"
            case .sample: "sample=1/7&fields=attempt,number"
            case .invalid: "map=mixed&program=m&records=invalid"
            }
        }

        var maps: [String] {
            switch self {
            case .onePlain: ["plain"]
            case .oneMixed, .invalid: ["mixed"]
            case .everything, .odd, .sample: ["plain", "mixed"]
            }
        }

        func wants(_ map: String, _ sequence: Int, _ number: Int) -> Bool {
            let isInvalid = map == "mixed" && number % 13 == 0
            switch self {
            case .everything: return !isInvalid
            case .onePlain, .oneMixed: return !isInvalid && map == maps[0]
            case .odd: return !isInvalid && number % 2 == 1
            case .sample: return !isInvalid && sequence % 7 == 1
            case .invalid: return isInvalid
            }
        }

        /// Whether a record's number says if it is wanted.
        var isByNumber: Bool { self != .sample }
    }

    /// Where it is in one stream.
    private struct Position {
        var sequence = 0
        var number = 0
        /// Since that record.
        var told = 0
        var evicted = 0
        var delivered: Set<Int> = []
        /// Between two records where some were evicted: those in here may be missing.
        var holes: [ClosedRange<Int>] = []
        var allTold = 0
        var allEvicted = 0
    }

    let wish: Wish
    private let truth: ModelTruth
    private var positions: [String: Position] = [:]
    private(set) var cursor: String?
    private(set) var faults: [String] = []
    private(set) var lastReason: String?

    init(_ wish: Wish, _ truth: ModelTruth) {
        self.wish = wish
        self.truth = truth
        for map in wish.maps { positions[map] = Position() }
    }

    var events: Int { positions.values.reduce(0) { $0 + $1.delivered.count } }
    var evicted: Int { positions.values.reduce(0) { $0 + $1.allEvicted } }
    func told(_ map: String) -> Int { positions[map]?.allTold ?? 0 }

    mutating func note(_ line: JSONValue) {
        if let cursor = line["cursor"]?.string { self.cursor = cursor }
        switch line["kind"]?.string {
        case "event": noteEvent(line)
        case "gap": noteGap(line)
        case "end": lastReason = line["reason"]?.string
        case "hello", "heartbeat": break
        default: faults.append("a line of no kind: \(line.compact)")
        }
    }

    private mutating func noteGap(_ line: JSONValue) {
        guard let map = line["map"]?.string, var position = positions[map],
            let lost = line["lost"]?.int, lost > 0
        else {
            faults.append("a gap of nothing: \(line.compact)")
            return
        }
        if line["where"] == "kernel" {
            position.told += lost
            position.allTold += lost
        } else {
            position.evicted += lost
            position.allEvicted += lost
        }
        positions[map] = position
    }

    private mutating func noteEvent(_ line: JSONValue) {
        guard let map = line["map"]?.string, var position = positions[map],
            let sequence = line["seq"]?.int, let record = Self.record(line)
        else {
            faults.append("not an event of the model: \(line.compact)")
            return
        }
        let last = "after \(position.sequence), \(position.number): \(line.compact)"
        guard sequence > position.sequence, record.number > position.number else {
            faults.append("twice or out of order, \(last)")
            return
        }
        if !wish.wants(map, sequence, record.number) { faults.append("not asked for: \(last)") }
        if !truth.agrees(map, sequence, record) { faults.append("not what others saw, \(last)") }
        account(map, &position, upTo: sequence, record.number, last)
        position.sequence = sequence
        position.number = record.number
        position.delivered.insert(sequence)
        positions[map] = position
    }

    /// Holds the step to a record, or to the end, against the gaps told on the way.
    private mutating func account(
        _ map: String, _ position: inout Position, upTo sequence: Int, _ number: Int, _ what: String
    ) {
        let between = sequence - position.sequence - 1
        let hidden = between - position.told - position.evicted
        let skipped = number - position.number - 1
        if wish.isByNumber {
            let unwanted = (position.number + 1..<max(number, position.number + 1))
                .count { !wish.wants(map, 0, $0) }
            // Of the evicted nobody knows which they were.
            let isRight =
                position.evicted == 0
                ? hidden == unwanted && skipped == unwanted : (0...unwanted).contains(hidden)
            if !isRight {
                faults.append(
                    "\(map): of \(between) places \(position.told) told, \(position.evicted)"
                        + " evicted, \(unwanted) unwanted, \(what)")
            }
        } else if hidden < 0 || hidden > skipped {
            faults.append("\(map): \(hidden) of \(between) places told by nobody, \(what)")
        }
        if position.evicted > 0 { position.holes.append(position.sequence...sequence) }
        position.told = 0
        position.evicted = 0
    }

    /// When it has read to the end.
    /// - Parameter numbers: how many records each stream has had.
    mutating func finish(_ numbers: [String: Int], nextSequence: [String: Int]) {
        for (map, held) in positions {
            var position = held
            let end = nextSequence[map] ?? 0
            account(map, &position, upTo: end, (numbers[map] ?? 0) + 1, "at the end, \(end)")
            positions[map] = position
            for (sequence, record) in truth.records[map] ?? [:]
            where wish.wants(map, sequence, record.number)
                && !position.delivered.contains(sequence)
                && !position.holes.contains(where: { $0.contains(sequence) })
            {
                faults.append("\(map) \(sequence), \(record) is missing, and no gap tells of it")
            }
        }
    }

    /// By its members; an invalid record is shown by its bytes.
    private static func record(_ line: JSONValue) -> ModelTruth.Record? {
        if let number = line.at("/data/number")?.int, let attempt = line.at("/data/attempt")?.int {
            return ModelTruth.Record(number: number, attempt: attempt)
        }
        guard let text = line["data"]?.string, text.hasPrefix("hex:"), line["invalid"] == "pid",
            let number = UInt64(text.dropFirst(4).prefix(16), radix: 16),
            let attempt = UInt64(text.dropFirst(20).prefix(16), radix: 16)
        else { return nil }
        return ModelTruth.Record(number: Int(number.byteSwapped), attempt: Int(attempt.byteSwapped))
    }
}
