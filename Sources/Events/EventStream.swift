internal import Linux
internal import Synchronization

/// What all streams of a journal share.
struct JournalContext: Sendable {
    let id: UInt64
    let budget = TextBudget()
    let resolver: (any ValueResolver)?
}

/// A stream as all threads see it: its segments, how far it is committed, and who waits for more.
///
/// Written by the pump's thread alone (but for `waiting`, `readers` and the schemas); the lock is
/// held for a few assignments only, never while records or text are copied.
final class EventStream: Sendable {
    struct State {
        /// Oldest first; the last one is appended to.
        var segments: [Segment] = []
        /// Everything that is committed.
        var end = Totals()
        var mark = RingMark()
        /// Where `end` is in the last segment.
        var endOffset = SegmentHeader.byteCount
        /// Wall time of the last entry.
        var lastNanoseconds: UInt64 = 0
        var isOpen = false
        var countsLosses = false
        /// By fingerprint: those that were declared since the daemon started, or are kept beside
        /// the segments.
        var schemas: [UInt64: RecordSchema] = [:]
        /// Of the records to come.
        var schema: RecordSchema?
        var retention = Retention()
        /// Reads what in-kernel rate limits left out; nil where the program has none.
        var rateLimited: (any LostCounter)?
        /// Readers that gave all there is, by id.
        var waiting: [UInt64: Subscription] = [:]
        /// Those of the last batch: when the pump has woken them, its storage is used again.
        private var woken: [UInt64: Subscription] = [:]
        /// Ids of all readers.
        var readers: Set<UInt64> = []

        var retainedBytes: Int { segments.reduce(0) { $0 + $1.size } }
        /// The first number that can still be read, or the next one to come.
        var oldest: Totals { segments.first?.header.before ?? end }

        /// Empties `waiting`, and allocates nothing for that.
        mutating func takeWaiting() -> [UInt64: Subscription] {
            swap(&waiting, &woken)
            waiting.removeAll(keepingCapacity: true)
            return woken
        }

        mutating func forget(_ reader: UInt64) {
            waiting[reader] = nil
            woken[reader] = nil
            readers.remove(reader)
        }
    }

    let key: StreamKey
    /// Never used again for another stream of this journal.
    let number: UInt64
    let directory: String
    let renderings: Renderings
    let lead = Lead()
    private let head: LineHead
    let state: Mutex<State>

    init(
        _ key: StreamKey, number: UInt64, directory: String, journal: JournalContext,
        _ state: State
    ) {
        self.key = key
        self.number = number
        self.directory = directory
        head = LineHead(journal: journal.id, stream: number, key: key)
        renderings = Renderings(head, journal)
        self.state = Mutex(state)
    }

    /// Makes a batch visible. - Returns: who waited for it.
    func publish(
        _ end: Totals, _ mark: RingMark, endOffset: Int, nanoseconds: UInt64
    ) -> [UInt64: Subscription] {
        state.withLock { state in
            state.end = end
            state.endOffset = endOffset
            state.mark = mark
            state.lastNanoseconds = nanoseconds
            return state.waiting.isEmpty ? [:] : state.takeWaiting()
        }
    }

    func add(_ segment: Segment) {
        state.withLock {
            $0.segments.append(segment)
            $0.endOffset = SegmentHeader.byteCount
        }
    }

    /// Removes the last segment where it has no entry, so that its name is free for another.
    func removeEmptyLast(_ firstSequence: UInt64) {
        let empty = state.withLock { state -> Segment? in
            guard state.segments.last?.firstSequence == firstSequence else { return nil }
            return state.segments.removeLast()
        }
        // Where it stays, making the next one says so.
        try? empty?.unlink()
    }

    /// Removes the oldest segment. By the pump's thread only.
    func evictOldest() {
        // A name that cannot be removed is found, and evicted again, at the next start.
        try? takeOldest()?.unlink()
    }

    /// Takes the oldest segment out, its file still there: nobody new will come to hold it.
    ///
    /// The counts of a stream without segments are in its meta file, written before.
    func takeOldest() -> Segment? {
        let (segment, isLast, end, mark) = state.withLock {
            ($0.segments.first, $0.segments.count == 1, $0.end, $0.mark)
        }
        guard let segment else { return nil }
        if isLast {
            // Where it cannot be written (no room), the stream's next numbers would be lost with a
            // crash that follows at once; refusing to evict would cost more.
            try? StreamMeta(key: key, end: end, mark: mark).write(directory)
        }
        state.withLock { state in _ = state.segments.removeFirst() }
        renderings.drop(segment)
        return segment
    }
}

// MARK: - Where a reader stands

extension EventStream {
    /// What lies at a number of the stream.
    enum Location {
        /// Everything before it was there; the counts are the stream's of now.
        case caughtUp(end: Totals)
        /// In this segment, at this offset where it is known.
        case entry(Segment, offset: Int?)
        /// No longer there; the next that is.
        case evicted(next: Totals)
    }

    /// - Parameter hint: the segment (by its first number) and the offset where the reader stopped.
    func locate(_ sequence: UInt64, hint: (first: UInt64, offset: Int)?) -> Location {
        state.withLock { state in
            guard sequence < state.end.nextSequence else { return .caughtUp(end: state.end) }
            guard let index = state.segments.lastIndex(where: { $0.firstSequence <= sequence })
            else { return .evicted(next: state.oldest) }
            let segment = state.segments[index]
            if sequence == segment.firstSequence {
                return .entry(segment, offset: SegmentHeader.byteCount)
            }
            guard let hint, hint.first == segment.firstSequence else {
                return .entry(segment, offset: nil)
            }
            return .entry(segment, offset: hint.offset)
        }
    }

    /// The counts just after the segment, where readers go on when it ends too early.
    func totals(after segment: Segment) -> Totals {
        state.withLock { state in
            let next = state.segments.first { $0.firstSequence > segment.firstSequence }
            return next?.header.before ?? state.end
        }
    }

    /// The number before which readers may read. A segment's tail is ahead of it for a moment, in
    /// which the ledger does not know yet of what lies between.
    var readableEnd: UInt64 { state.withLock { $0.end.nextSequence } }

    /// The same where the stream has one reader, else nil.
    var readableEndAlone: UInt64? {
        state.withLock { $0.readers.count == 1 ? $0.end.nextSequence : nil }
    }

    /// Bytes of the cursor that stands in the stream's shared lines.
    func ownCursorByteCount(_ sequence: UInt64) -> Int { head.cursorByteCount(sequence) }

    func schema(of segment: Segment) -> RecordSchema? {
        state.withLock { $0.schemas[segment.header.type] }
    }

    /// Fingerprints of what is retained and of what is to come.
    var neededSchemas: Set<UInt64> {
        state.withLock { state in
            Set(state.segments.map(\.header.type) + [state.schema?.fingerprint ?? 0])
        }
    }

    /// What its records are or were, as far as it is known.
    var knownSchemas: [RecordSchema] { state.withLock { Array($0.schemas.values) } }
}
