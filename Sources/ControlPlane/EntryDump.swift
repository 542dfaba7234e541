internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// How a dump is written.
public enum DumpFormat: String, Sendable, CaseIterable { case ndjson, csv }

/// What an answer of entries is asked for.
public struct EntryQuery: Sendable {
    public var style = EntryStyle()
    /// Conditions, all of which must hold: `bytes>=1000`, `key==7`.
    public var conditions: [String] = []
    /// The first bytes of the key: text, or `hex:…`.
    public var prefix: String?
    /// At most so many entries.
    public var limit: Int?

    public init(style: EntryStyle = EntryStyle()) { self.style = style }
}

/// All entries of a map as text, made piece by piece while it is sent. Memory: the batches of
/// `EntryReadAhead` and the text of a piece. One reader at a time.
public final class EntryDump: Sendable {
    /// What a piece is followed by.
    public enum Step: Sendable {
        case more
        /// The kernel is being asked: `wake` is called when it has answered.
        case wait
        /// Nothing of what was read was wanted: ask again, after others had their turn.
        case pause
        case end
        /// The kernel refused to go on.
        case broken
    }

    private let state: Mutex<EntryDumpState>

    /// Reads the first entries, so that a map that cannot be read is refused before an answer
    /// begins.
    init(
        _ source: EntryReadAhead, _ bytes: MapBytes, _ filter: EntryFilter, _ format: DumpFormat,
        _ query: EntryQuery
    ) throws(BPFError) {
        var first = EntryDumpState(source, bytes, filter, format, query)
        try first.begin()
        state = Mutex(first)
    }

    /// Appends the next piece, bounded by the buffer and by the entries of one batch.
    /// - Parameter wake: called once after `wait`, from another thread.
    public func read(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> Step
    {
        state.withLock { state in state.read(into: &buffer, wake) }
    }

    /// Nobody will read on.
    public func close() { state.withLock { state in state.close() } }
}

struct EntryDumpState: ~Copyable {
    private let source: EntryReadAhead
    private var block = EntryBlock()
    private let bytes: MapBytes
    private let filter: EntryFilter
    private let table: EntryTable?
    private let limit: Int
    private let started: UInt64
    private var index = 0
    private var given = 0
    private var text: JSONWriter
    private var sent = 0
    private var isReading = false
    private var isFinished = false
    private var isBroken = false

    /// About what libmicrohttpd takes at once; more would only be copied later.
    private static let pieceBytes = 48 << 10

    init(
        _ source: EntryReadAhead, _ bytes: MapBytes, _ filter: EntryFilter, _ format: DumpFormat,
        _ query: EntryQuery
    ) {
        started = Clock.monotonicNanoseconds()
        self.source = source
        self.bytes = bytes
        self.filter = filter
        limit = query.limit ?? .max
        table = format == .csv ? EntryTable(bytes) : nil
        text = JSONWriter(capacity: Self.pieceBytes + (16 << 10), int64: query.style.int64)
    }

    mutating func begin() throws(BPFError) {
        table?.writeHead(to: &text)
        block = try source.first()
        if block.count == 0 { finish() }
    }

    mutating func read(
        into buffer: inout OutputSpan<UInt8>, _ wake: @escaping @Sendable () -> Void
    ) -> EntryDump.Step {
        if !isReading && !isFinished { source.begin() }
        isReading = true
        let before = buffer.freeCapacity
        while true {
            sent += text.copy(from: sent, into: &buffer)
            if buffer.freeCapacity == 0 { return .more }
            // All of the text is sent.
            text.removeAll()
            sent = 0
            if isBroken { return buffer.freeCapacity < before ? .more : .broken }
            if isFinished { return buffer.freeCapacity < before ? .more : .end }
            if index == block.count {
                // What was made goes out before the next entries are waited for.
                if buffer.freeCapacity < before { return .more }
                guard take(wake) else { return .wait }
                continue
            }
            render()
            if text.count == 0 && !isFinished { return .pause }
        }
    }

    func close() { source.close() }

    /// The next entries; false where they are waited for.
    private mutating func take(_ wake: @escaping @Sendable () -> Void) -> Bool {
        // Given away, so that they are read into again without a copy.
        var spent = EntryBlock()
        swap(&spent, &block)
        index = 0
        block.restarts = spent.restarts
        switch source.take(returning: spent, wake) {
        case .entries(let next): block = next
        case .end(let restarts):
            block.restarts = restarts
            finish()
        case .broken: isBroken = true
        case .wait: return false
        }
        return true
    }

    private mutating func render() {
        let cpus = bytes.isPerCPU ? bytes.cpus : 1
        let isFiltered = !filter.isEmpty
        let (keySize, valueSize) = (bytes.map.map.info.keySize, bytes.map.map.lookupBytes)
        // Let go before the block is given away, or it would be copied.
        let (keys, values, count) = (block.keys, block.values, block.count)
        while index < count && text.count < Self.pieceBytes {
            let key = keys.span.extracting(index * keySize..<(index + 1) * keySize)
            let value = values.span.extracting(index * valueSize..<(index + 1) * valueSize)
            index += 1
            if isFiltered,
                !filter.matches(key: key, value: value, stride: bytes.stride, cpus: cpus)
            {
                continue
            }
            if let table {
                table.write(key: key, value: value, to: &text)
            } else {
                bytes.write(key: key, value: value, to: &text)
                text.byte(UInt8(ascii: "\n"))
            }
            given += 1
            if given == limit {
                finish()
                return
            }
        }
    }

    private mutating func finish() {
        isFinished = true
        source.close()
        guard table == nil else { return }
        let duration = Clock.monotonicNanoseconds() - started
        text.object {
            $0.member("kind", "end")
            $0.member("reason", given == limit ? "limit" : "complete")
            $0.member("entries", given)
            $0.member("duration_ns", duration)
            $0.member("consistent", block.restarts == 0)
            $0.member("restarts", block.restarts)
        }
        text.byte(UInt8(ascii: "\n"))
    }
}
