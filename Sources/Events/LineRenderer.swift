internal import BTF
internal import JSON

/// What is constant in the lines of a stream.
struct LineHead: Sendable {
    let journal: UInt64
    let stream: UInt64
    let key: StreamKey

    /// The cursor of a reader of this stream alone, without the number at its end.
    var cursorHead: [UInt8] {
        Journal.hex(journal) + Array(".\(stream)-".utf8)
    }

    func cursorByteCount(_ sequence: UInt64) -> Int {
        16 + 2 + String(stream).utf8.count + String(sequence).utf8.count
    }
}

/// What lines differ in, besides the records: each variant is rendered once for all its readers.
struct LineVariant: Sendable, Hashable {
    let format: StreamFormat
    let int64: Int64Style
    /// Shows the invalid records instead of the others.
    let showsInvalid: Bool
}

/// The text around a line in each format.
extension StreamFormat {
    /// Before the first cursor of an event's line.
    var eventLead: StaticString {
        switch self {
        case .ndjson: #"{"kind":"event","cursor":""#
        case .jsonSequence: "\u{1e}{\"kind\":\"event\",\"cursor\":\""
        case .sse: "id: "
        }
    }

    /// Between the two cursors of an event's line, where it has two.
    var eventMiddle: StaticString? {
        self == .sse ? "\nevent: event\ndata: {\"kind\":\"event\",\"cursor\":\"" : nil
    }

    /// Where the cursors stand in an event's line whose cursor has `own` bytes.
    func cursorOffsets(own: Int) -> [Int] {
        let first = eventLead.utf8CodeUnitCount
        guard let middle = eventMiddle else { return [first] }
        return [first, first + own + middle.utf8CodeUnitCount]
    }

    var lineEnd: StaticString { self == .sse ? "}\n\n" : "}\n" }
}

/// Makes the lines of events: `{"kind":"event","cursor":"…","seq":7,"time":"…",…,"data":…}`.
///
/// All of a line that comes before its data is kept and only the digits that changed are put anew:
/// of one line to the next mostly the last digit of the number.
struct LineRenderer: ~Copyable {
    private let head: LineHead
    private let variant: LineVariant
    private var line: JSONWriter
    private var type: RecordType?
    private var time = TimeText()
    private var nanoseconds: UInt64 = 0
    private var sequence: UInt64 = 0
    /// The line up to its data; empty: to be made anew.
    private var front: [UInt8] = []
    private var digitCount = 0
    /// Where the number stands in `front`: in the cursors and as `seq`.
    private var digitOffsets: [Int] = []
    private var timeOffset = 0
    private let lineEnd: [UInt8]

    init(_ head: LineHead, _ variant: LineVariant) {
        self.head = head
        self.variant = variant
        line = JSONWriter(capacity: 1024, int64: variant.int64)
        lineEnd = Array(variant.format.lineEnd.description.utf8)
    }

    /// Bytes of the last line.
    var count: Int { line.count }

    /// Lends the last line.
    func withLine<Result>(_ body: (Span<UInt8>) -> Result) -> Result { line.withBytes(body) }

    /// What the records to come are; `nil`: unknown, shown in hex.
    mutating func use(_ type: RecordType?) {
        guard type?.fingerprint != self.type?.fingerprint || front.isEmpty else { return }
        self.type = type
        front = []
    }

    mutating func render(_ entry: EntryHeader, _ record: Span<UInt8>) {
        advance(to: entry.sequence, entry.nanoseconds)
        line.removeAll()
        line.raw(front.span)
        if entry.isInvalid {
            line.raw("\"invalid\":")
            line.string(entry.reason?.name ?? "unknown")
            line.raw(",\"data\":")
            line.hex(record, prefix: "hex:")
        } else if let type {
            line.raw("\"data\":")
            type.plan.render(record, into: &line)
        } else {
            line.raw("\"data\":")
            line.hex(record, prefix: "hex:")
        }
        line.raw(lineEnd.span)
    }

    /// Brings the front of the line up to date.
    private mutating func advance(to sequence: UInt64, _ nanoseconds: UInt64) {
        let last = front.isEmpty ? 0 : front[digitOffsets[0] + digitCount - 1]
        if sequence == self.sequence &+ 1, last != 0, last != UInt8(ascii: "9") {
            for offset in digitOffsets { front[offset + digitCount - 1] = last &+ 1 }
        } else {
            let digits = Array(String(sequence).utf8)
            if front.isEmpty || digits.count != digitCount {
                makeFront(digits)
                putTime(nanoseconds)
            } else {
                for offset in digitOffsets {
                    for index in digits.indices { front[offset + index] = digits[index] }
                }
            }
        }
        self.sequence = sequence
        if nanoseconds != self.nanoseconds { putTime(nanoseconds) }
    }

    private mutating func putTime(_ nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
        time.set(nanoseconds)
        for index in 0..<TimeText.byteCount { front[timeOffset + index] = time.bytes[index] }
    }

    private mutating func makeFront(_ digits: [UInt8]) {
        digitCount = digits.count
        digitOffsets = []
        line.removeAll()
        let cursor = head.cursorHead
        line.raw(variant.format.eventLead)
        putNumber(after: cursor, digits)
        if let middle = variant.format.eventMiddle {
            line.raw(middle)
            putNumber(after: cursor, digits)
        }
        putNumber(after: Array("\",\"seq\":".utf8), digits)
        line.raw(",\"time\":\"")
        timeOffset = line.count
        line.raw(time.bytes.span)
        line.raw("\",\"program\":")
        line.string(head.key.program)
        line.raw(",\"map\":")
        line.string(head.key.map)
        line.raw(",\"type\":")
        if let type { line.string(type.name) } else { line.null() }
        line.raw(",")
        front = line.bytes()
    }

    private mutating func putNumber(after text: [UInt8], _ digits: [UInt8]) {
        line.raw(text.span)
        digitOffsets.append(line.count)
        line.raw(digits.span)
    }
}
