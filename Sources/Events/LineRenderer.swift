internal import BTF
internal import JSON
internal import Linux

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

    /// Whether an entry is one of its readers' records, shown or not.
    @inline(__always)
    func counts(_ entry: EntryHeader) -> Bool { !entry.isInvalid || showsInvalid }
}

/// Makes the lines of events: `{"kind":"event","cursor":"…","seq":7,"time":"…", … ,"data": … }`.
///
/// All of a line that comes before its data stays where it is and only the digits that changed are
/// put anew: from one line to the next mostly the last digit of the number and those of the time
/// within its second.
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
    /// What most lines are made with: the plan of the type that stands in the front, and how long a
    /// record is of which nothing else is shown; -1: none is. Kept here because to take it out of
    /// its shape would be a retain for each line, which threads contend for.
    private var plan = ValuePlan(untyped: 1)
    private var memory: RenderMemory?
    private var plainSize = -1
    private let unknownHead: [UInt8]
    private let lineEnd: StaticString
    private var nanoseconds: UInt64 = 0
    /// Where the second begins that the front's time is of.
    private var second: UInt64?
    private var sequence: UInt64 = 0
    /// Bytes of the line up to its data; 0: to be made anew.
    private var frontCount = 0
    /// Bytes of the line up to its type, and the index of the type that stands there.
    private var typeOffset = 0
    private var typeIndex: Int?
    private var digitCount = 0
    /// Where the number stands in the front: in one or two cursors and as `seq`.
    private var digitOffsets = (0, 0, 0)
    private var timeOffset = 0

    init(_ head: LineHead, _ variant: LineVariant, _ resolver: (any ValueResolver)?) {
        self.head = head
        self.variant = variant
        self.resolver = resolver
        frame = LineFrame(variant.format)
        lineEnd = variant.format.lineEnd
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
        typeIndex = nil
        plainSize = -1
    }

    mutating func render(_ entry: EntryHeader, _ record: Span<UInt8>) {
        line.truncate(to: frontCount)
        advance(to: entry.sequence, entry.nanoseconds)
        if entry.typeIndex != typeIndex { putType(entry.typeIndex) }
        if record.count == plainSize, !entry.isInvalid {
            plan.render(record, into: &line, memory)
        } else {
            renderRare(entry, record)
        }
        line.raw(lineEnd)
    }

    private mutating func renderRare(_ entry: EntryHeader, _ record: Span<UInt8>) {
        if variant.format == .csv {
            renderRow(entry, record)
        } else if !entry.isInvalid, hasType(entry, record) {
            renderData(shapes[entry.typeIndex], record)
        } else {
            line.hex(record, prefix: "hex:")
        }
        if entry.isInvalid, variant.format != .csv {
            line.raw(",\"invalid\":")
            line.string(entry.reason?.name ?? "unknown")
        }
    }

    /// Whether a record's type is known and the record as long as its type.
    private func hasType(_ entry: EntryHeader, _ record: Span<UInt8>) -> Bool {
        entry.typeIndex < shapes.count && record.count >= shapes[entry.typeIndex].size
    }

    private mutating func putType(_ index: Int) {
        line.truncate(to: typeOffset)
        line.raw((index < shapes.count ? shapes[index].head : unknownHead).span)
        frontCount = line.count
        typeIndex = index
        plainSize = -1
        guard index < shapes.count, variant.format != .csv, shapes[index].resolved.isEmpty,
            let plan = shapes[index].plan
        else { return }
        self.plan = plan
        memory = shapes[index].memory
        plainSize = shapes[index].size
    }

    private mutating func renderData(_ shape: LineShape, _ record: Span<UInt8>) {
        if let plan = shape.plan {
            plan.render(record, into: &line, shape.memory)
        } else {
            line.raw("{}")
        }
        if let offset = shape.trailingOffset(of: record.count) {
            line.raw(",\"trailing\":")
            line.hex(record.extracting(offset..<record.count), prefix: "hex:")
        }
        // First what costs nothing to ask: the resolver would be copied for each line.
        guard !shape.resolved.isEmpty, let resolver else { return }
        line.raw(",\"resolved\":{")
        for number in shape.resolved.indices {
            if number > 0 { line.raw(",") }
            shape.resolved[number].write(record, resolver, into: &line)
        }
        line.raw("}")
    }

    private mutating func renderRow(_ entry: EntryHeader, _ record: Span<UInt8>) {
        let isTyped = !entry.isInvalid && hasType(entry, record)
        for (number, column) in variant.selection.columns.enumerated() {
            line.raw(",")
            guard isTyped else {
                if column == "data" { line.hex(record, prefix: "hex:") }
                if column == "invalid", entry.isInvalid { line.string(entry.reason?.name ?? "") }
                continue
            }
            guard let cell = shapes[entry.typeIndex].cells[number] else { continue }
            scratch.removeAll()
            cell.plan.render(record, into: &scratch)
            scratch.withBytes { text in
                // Of a flexible array's element that the record does not have nothing is there.
                guard cell.before < text.count - cell.behind else { return }
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
            unsafe put(UInt8(ascii: "0") + UInt8(sequence % 10), digitCount - 1, front)
        } else {
            let count = Self.digitCount(sequence)
            if frontCount == 0 || count != digitCount {
                makeFront(sequence, count)
            } else {
                let front = unsafe front
                var left = sequence
                for index in (0..<count).reversed() {
                    unsafe put(UInt8(ascii: "0") + UInt8(left % 10), index, front)
                    left /= 10
                }
            }
        }
        if nanoseconds != self.nanoseconds { putTime(nanoseconds) }
    }

    /// Records that declare a time of their own have another on each line, mostly of the same
    /// second: then only the fraction is put.
    private mutating func putTime(_ nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
        let time = unsafe front + timeOffset
        if let second, nanoseconds &- second < Self.secondNanoseconds {
            unsafe JSONText.putNine(nanoseconds &- second, time + Self.fractionOffset)
            return
        }
        second = nanoseconds - nanoseconds % Self.secondNanoseconds
        let text = Timestamp(nanoseconds: nanoseconds).utf8
        precondition(text.count == Self.timeCount, "a time of \(text.count) bytes")
        for index in text.indices { unsafe time[index] = text[index] }
    }

    private static let secondNanoseconds: UInt64 = 1_000_000_000
    /// Of `2026-01-31T12:00:00.123456789Z`.
    private static let timeCount = 30
    private static let fractionOffset = 20

    private static func digitCount(_ number: UInt64) -> Int {
        var (count, left) = (1, number / 10)
        while left > 0 {
            count += 1
            left /= 10
        }
        return count
    }

    // SAFETY: of all that is put here: the offsets were taken when the front was made, which is the
    // beginning of the line still; it is read and written within one call.
    private var front: UnsafeMutablePointer<UInt8> { unsafe line.end - line.count }

    /// Puts one digit of the number, wherever it stands.
    @inline(__always)
    private func put(_ digit: UInt8, _ index: Int, _ front: UnsafeMutablePointer<UInt8>) {
        unsafe front[digitOffsets.0 + index] = digit
        unsafe front[digitOffsets.1 + index] = digit
        unsafe front[digitOffsets.2 + index] = digit
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
        for _ in 0..<Self.timeCount { line.byte(UInt8(ascii: "0")) }
        let behindTime = frame.behindTime(head.key)
        line.raw(behindTime.span)
        frontCount = line.count
        typeOffset = line.count
        typeIndex = nil
        // So that both are put anew, whole.
        second = nil
        nanoseconds = .max
    }

    private mutating func putNumber(after text: [UInt8], _ digits: [UInt8]) -> Int {
        line.raw(text.span)
        let offset = line.count
        line.raw(digits.span)
        return offset
    }
}
