/// Where one reader stands in one stream.
struct Place {
    let stream: EventStream
    let rendering: Rendering
    /// The next number to be given.
    var sequence: UInt64
    /// Numbers below were evicted before the reader came: their gap is the journal's.
    let oldestAtStart: UInt64
    /// A finite answer ends before this number.
    var end: UInt64?
    /// The query's `until` was reached.
    var isDone = false
    /// Where `sequence` lies, if known: in the segment that begins with `first`.
    var hint: (first: UInt64, offset: Int)?
    /// Of the records that are this reader's, how many come before `sequence` in the stream.
    var ordinal: UInt64
    var journaledBefore: UInt64
    var delivered: UInt64 = 0
    var filtered: UInt64 = 0
    var lost: UInt64 = 0
    /// Entries passed one by one, of which the stream does not yet know.
    private var passed: UInt64 = 0

    /// Whether invalid records are this reader's, too.
    let countsInvalid: Bool

    func eligible(_ totals: Totals) -> UInt64 {
        totals.records &+ (countsInvalid ? totals.invalidRecords : 0)
    }

    var cursor: Cursor.Place {
        Cursor.Place(stream: stream.number, sequence: sequence &- 1)
    }

    /// Entries that may be given yet: where a finite answer ends, none come behind it.
    var mostEntries: Int { end.map { Int(clamping: $0 - sequence) } ?? .max }

    /// Where a reader of `stream` begins.
    enum Start { case oldest, now, after(UInt64) }

    init(_ stream: EventStream, _ start: Start, _ query: StreamQuery) {
        self.stream = stream
        countsInvalid = query.records == .invalid
        rendering = stream.renderings.rendering(LineVariant(query))
        let (oldest, end, last) = stream.state.withLock { state in
            (
                state.oldest, state.end,
                state.segments.last.map { (first: $0.firstSequence, offset: state.endOffset) }
            )
        }
        oldestAtStart = oldest.nextSequence
        // A long poll's end is where it first has something to give.
        self.end = query.follow || query.waitNanoseconds != nil ? nil : end.nextSequence
        let reach: Totals
        switch start {
        case .now:
            sequence = end.nextSequence
            hint = last
            reach = end
        case .oldest:
            sequence = oldest.nextSequence
            reach = oldest
        case .after(let number):
            sequence = number + 1
            reach = oldest
        }
        ordinal = 0
        journaledBefore = 0
        ordinal = eligible(reach)
        journaledBefore = ordinal
        if case .after = start { settle() }
    }

    /// Finds the entry that a cursor names, and how many records come before it. Of one look: what
    /// was found above may be evicted by now.
    mutating func settle() {
        switch stream.locate(sequence, hint: nil) {
        case .evicted(let next):
            // What was evicted cannot be counted by kind any more: by numbers then.
            ordinal = eligible(next) &- (next.nextSequence &- sequence)
        case .entry(let segment, nil): walk(segment)
        case .entry(let segment, _?): ordinal = eligible(segment.header.before)
        case .caughtUp(let end): ordinal = eligible(end)
        }
        journaledBefore = ordinal
    }

    /// Finds `sequence` in the segment: sets `hint` and `ordinal`.
    /// - Returns: false where it is not there (damaged).
    @discardableResult
    mutating func walk(_ segment: Segment) -> Bool {
        let tail = segment.tail
        var totals = segment.header.before
        var offset = SegmentHeader.byteCount
        while totals.nextSequence < sequence {
            guard let entry = segment.entry(at: offset, before: tail),
                entry.sequence == totals.nextSequence
            else { return false }
            totals.count(entry, lost: entry.isGap ? segment.gap(at: offset).lost : 0)
            offset += EntryHeader.span(Int(entry.length))
        }
        hint = (segment.firstSequence, offset)
        ordinal = eligible(totals)
        // A cursor within a gap's numbers is none that was given: the gap counts as told.
        sequence = totals.nextSequence
        return true
    }

    /// Steps over entries whose text was taken, or that are not shown.
    mutating func advance(_ run: Piece.Run) {
        pass(UInt64(run.count))
        delivered &+= UInt64(run.visible)
        filtered &+= UInt64(run.filtered)
        ordinal &+= UInt64(run.visible + run.filtered)
    }

    /// Steps over entries.
    mutating func pass(_ count: UInt64) {
        sequence &+= count
        passed &+= count
    }

    /// Lets the stream know how far it came.
    mutating func tellLead() {
        guard passed > 0 else { return }
        stream.lead.note(next: sequence, passed: passed)
        passed = 0
    }

    /// Steps over numbers that cannot be given; `next` are the counts behind them.
    mutating func jump(to next: Totals) {
        sequence = next.nextSequence
        hint = nil
        let reached = eligible(next)
        lost &+= reached &- ordinal
        ordinal = reached
    }

    /// - Parameter end: the stream's, as of a moment after this copy of the place was made.
    func ledger(_ id: UInt64, _ end: Totals) -> StreamLedger.Reader {
        let all = eligible(end)
        return StreamLedger.Reader(
            id: id, journaled: all &- journaledBefore, delivered: delivered, filtered: filtered,
            lost: lost, pending: all &- ordinal)
    }
}
