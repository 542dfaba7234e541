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

/// Makes the lines of events: `{"kind":"event","cursor":"…","seq":7,"time":"…", … ,"data": … }`.
///
/// All of a line that comes before its data stays where it is and only the digits that changed are
/// put anew: from one line to the next mostly the last digit of the number.
struct LineRenderer: ~Copyable {
    private let head: LineHead
    private let variant: LineVariant
    private var line: JSONWriter
    private var type: RecordType?
    private var time = TimeText()
    private var nanoseconds: UInt64 = 0
    private var sequence: UInt64 = 0
    /// Bytes of the line up to its data; 0: to be made anew.
    private var frontCount = 0
    private var digitCount = 0
    /// Where the number stands in the front: in one or two cursors and as `seq`.
    private var digitOffsets = (0, 0, 0)
    private var timeOffset = 0

    init(_ head: LineHead, _ variant: LineVariant) {
        self.head = head
        self.variant = variant
        line = JSONWriter(capacity: 1024, int64: variant.int64)
    }

    /// Lends the last line.
    func withLine<Result>(_ body: (Span<UInt8>) -> Result) -> Result { line.withBytes(body) }

    /// What the records to come are; `nil`: unknown, shown in hex.
    mutating func use(_ type: RecordType?) {
        guard type?.fingerprint != self.type?.fingerprint else { return }
        self.type = type
        frontCount = 0
    }

    mutating func render(_ entry: EntryHeader, _ record: Span<UInt8>) {
        line.truncate(to: frontCount)
        advance(to: entry.sequence, entry.nanoseconds)
        if entry.isInvalid {
            line.raw("\"invalid\":")
            line.string(entry.reason?.name ?? "unknown")
            line.raw(",\"data\":")
            line.hex(record, prefix: "hex:")
        } else {
            line.raw("\"data\":")
            if let size = type?.plan.size, record.count >= size {
                type?.plan.render(record, into: &line)
            } else {
                line.hex(record, prefix: "hex:")
            }
        }
        line.raw(variant.format.lineEnd)
    }

    /// Brings the front of the line, which is all there is of it now, up to date.
    private mutating func advance(to sequence: UInt64, _ nanoseconds: UInt64) {
        let isNext = sequence == self.sequence &+ 1 && frontCount > 0 && sequence % 10 != 0
        self.sequence = sequence
        if isNext {
            let digit = UInt8(ascii: "0") + UInt8(sequence % 10)
            put(digit, digitCount - 1)
        } else {
            let digits = Array(String(sequence).utf8)
            if frontCount == 0 || digits.count != digitCount {
                makeFront(digits)
                self.nanoseconds = nanoseconds &+ 1
            } else {
                for index in digits.indices { put(digits[index], index) }
            }
        }
        if nanoseconds != self.nanoseconds {
            self.nanoseconds = nanoseconds
            time.set(nanoseconds)
            for index in 0..<TimeText.byteCount { put(time.bytes[index], at: timeOffset + index) }
        }
    }

    /// Puts one digit of the number, wherever it stands.
    private mutating func put(_ digit: UInt8, _ index: Int) {
        put(digit, at: digitOffsets.0 + index)
        put(digit, at: digitOffsets.1 + index)
        put(digit, at: digitOffsets.2 + index)
    }

    private mutating func put(_ byte: UInt8, at offset: Int) {
        precondition(offset >= 0 && offset < line.count, "\(offset) of \(line.count)")
        // SAFETY: the writer's text begins `count` bytes before its end, and has that offset.
        unsafe (line.end - line.count)[offset] = byte
    }

    private mutating func makeFront(_ digits: [UInt8]) {
        digitCount = digits.count
        line.removeAll()
        let cursor = head.cursorHead
        line.raw(variant.format.eventLead)
        digitOffsets.0 = putNumber(after: cursor, digits)
        digitOffsets.1 = digitOffsets.0
        if let middle = variant.format.eventMiddle {
            line.raw(middle)
            digitOffsets.1 = putNumber(after: cursor, digits)
        }
        digitOffsets.2 = putNumber(after: Array("\",\"seq\":".utf8), digits)
        line.raw(",\"time\":\"")
        timeOffset = line.count
        for _ in 0..<TimeText.byteCount { line.byte(UInt8(ascii: "0")) }
        line.raw("\",\"program\":")
        line.string(head.key.program)
        line.raw(",\"map\":")
        line.string(head.key.map)
        line.raw(",\"type\":")
        if let type { line.string(type.name) } else { line.null() }
        line.raw(",")
        frontCount = line.count
    }

    private mutating func putNumber(after text: [UInt8], _ digits: [UInt8]) -> Int {
        line.raw(text.span)
        let offset = line.count
        line.raw(digits.span)
        return offset
    }
}
