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
    let selection: Selection

    init(_ query: StreamQuery) {
        format = query.format
        int64 = query.int64
        showsInvalid = query.records == .invalid
        selection = Selection(query)
    }
}

/// Makes the lines of events: `{"kind":"event","cursor":"…","seq":7,"time":"…", … ,"data": … }`.
///
/// All of a line that comes before its type stays where it is and only the digits that changed are
/// put anew: from one line to the next mostly the last digit of the number.
struct LineRenderer: ~Copyable {
    private let head: LineHead
    private let variant: LineVariant
    private let resolver: (any ValueResolver)?
    private let frame: LineFrame
    private var line: JSONWriter
    /// For cells of CSV.
    private var scratch: JSONWriter
    private var fingerprint: UInt64?
    private var shapes: [LineShape] = []
    private let unknownHead: [UInt8]
    private var time = TimeText()
    private var nanoseconds: UInt64 = 0
    private var sequence: UInt64 = 0
    /// Bytes of the line up to its type; 0: to be made anew.
    private var frontCount = 0
    private var digitCount = 0
    /// Where the number stands in the front: in one or two cursors and as `seq`.
    private var digitOffsets = (0, 0, 0)
    private var timeOffset = 0

    init(_ head: LineHead, _ variant: LineVariant, _ resolver: (any ValueResolver)?) {
        self.head = head
        self.variant = variant
        self.resolver = resolver
        frame = LineFrame(variant.format)
        unknownHead = variant.format == .csv ? Array(",,".utf8) : LineShape.head(nil)
        line = JSONWriter(capacity: 1024, int64: variant.int64)
        scratch = JSONWriter(capacity: 256, int64: variant.int64)
    }

    /// Lends the last line.
    func withLine<Result>(_ body: (Span<UInt8>) -> Result) -> Result { line.withBytes(body) }

    /// What the records to come are; `nil`: unknown, shown in hex.
    mutating func use(_ schema: RecordSchema?) {
        guard schema?.fingerprint != fingerprint else { return }
        fingerprint = schema?.fingerprint
        shapes = (schema?.types ?? []).map { LineShape($0, variant) }
    }

    mutating func render(_ entry: EntryHeader, _ record: Span<UInt8>) {
        line.truncate(to: frontCount)
        advance(to: entry.sequence, entry.nanoseconds)
        let isKnown = entry.typeIndex < shapes.count
        let head = isKnown ? shapes[entry.typeIndex].head : unknownHead
        line.raw(head.span)
        if variant.format == .csv {
            renderRow(entry, record, isKnown)
        } else if !entry.isInvalid, isKnown, record.count >= shapes[entry.typeIndex].size {
            renderData(entry, record)
        } else {
            line.hex(record, prefix: "hex:")
        }
        if entry.isInvalid, variant.format != .csv {
            line.raw(",\"invalid\":")
            line.string(entry.reason?.name ?? "unknown")
        }
        line.raw(variant.format.lineEnd)
    }

    private mutating func renderData(_ entry: EntryHeader, _ record: Span<UInt8>) {
        let index = entry.typeIndex
        if let plan = shapes[index].plan {
            plan.render(record, into: &line)
        } else {
            line.raw("{}")
        }
        if shapes[index].showsTrailing, record.count > shapes[index].size {
            line.raw(",\"trailing\":")
            line.hex(record.extracting(shapes[index].size..<record.count), prefix: "hex:")
        }
        guard let resolver, !shapes[index].resolved.isEmpty else { return }
        line.raw(",\"resolved\":{")
        for number in shapes[index].resolved.indices {
            if number > 0 { line.raw(",") }
            shapes[index].resolved[number].write(record, resolver, into: &line)
        }
        line.raw("}")
    }

    private mutating func renderRow(
        _ entry: EntryHeader, _ record: Span<UInt8>, _ isKnown: Bool
    ) {
        let isTyped = isKnown && !entry.isInvalid && record.count >= shapes[entry.typeIndex].size
        for (number, column) in variant.selection.columns.enumerated() {
            line.raw(",")
            guard isTyped else {
                if column == "data" { line.hex(record) }
                if column == "invalid", entry.isInvalid { line.string(entry.reason?.name ?? "") }
                continue
            }
            guard let cell = shapes[entry.typeIndex].cells[number] else { continue }
            scratch.removeAll()
            cell.plan.render(record, into: &scratch)
            scratch.withBytes { text in
                CSVText.append(
                    text.extracting(cell.before..<text.count - cell.behind), to: &line)
            }
        }
    }

    /// Brings the front of the line, which is all there is of it now, up to date.
    private mutating func advance(to sequence: UInt64, _ nanoseconds: UInt64) {
        let isNext = sequence == self.sequence &+ 1 && frontCount > 0 && sequence % 10 != 0
        self.sequence = sequence
        if isNext {
            let digit = UInt8(ascii: "0") + UInt8(sequence % 10)
            put(digit, digitCount - 1)
        } else {
            let count = Self.digitCount(sequence)
            if frontCount == 0 || count != digitCount {
                makeFront(sequence, count)
                self.nanoseconds = nanoseconds &+ 1
            } else {
                var left = sequence
                for index in (0..<count).reversed() {
                    put(UInt8(ascii: "0") + UInt8(left % 10), index)
                    left /= 10
                }
            }
        }
        if nanoseconds != self.nanoseconds {
            self.nanoseconds = nanoseconds
            time.set(nanoseconds)
            for index in 0..<TimeText.byteCount { put(time.bytes[index], at: timeOffset + index) }
        }
    }

    private static func digitCount(_ number: UInt64) -> Int {
        var (count, left) = (1, number / 10)
        while left > 0 {
            count += 1
            left /= 10
        }
        return count
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

    private mutating func makeFront(_ sequence: UInt64, _ count: Int) {
        let digits = Array(String(sequence).utf8)
        digitCount = count
        line.removeAll()
        let cursor = head.cursorHead
        line.raw(variant.format.eventLead)
        digitOffsets.0 = putNumber(after: cursor, digits)
        digitOffsets.1 = digitOffsets.0
        if let middle = variant.format.eventMiddle {
            line.raw(middle)
            digitOffsets.1 = putNumber(after: cursor, digits)
        }
        digitOffsets.2 = putNumber(after: frame.beforeSequence, digits)
        let beforeTime = frame.beforeTime
        line.raw(beforeTime.span)
        timeOffset = line.count
        for _ in 0..<TimeText.byteCount { line.byte(UInt8(ascii: "0")) }
        let behindTime = frame.behindTime(head.key)
        line.raw(behindTime.span)
        frontCount = line.count
    }

    private mutating func putNumber(after text: [UInt8], _ digits: [UInt8]) -> Int {
        line.raw(text.span)
        let offset = line.count
        line.raw(digits.span)
        return offset
    }
}
