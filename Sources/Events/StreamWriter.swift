internal import Linux

/// Moves records from a ring into a stream's segments. Used by the pump's thread only.
final class StreamWriter {
    let stream: EventStream
    let source: any RecordSource
    private let journal: Journal
    private let schema: RecordSchema?
    private var clock = WallClock()
    private let lostCounter: (any LostCounter)?
    private var segment: Segment?
    /// Of the segment to come, while a flood holds it back.
    private var heldBytes: Int?
    private var flood: Flood
    private var offset = 0
    private var totals: Totals
    private var mark: RingMark
    /// Up to where the ring was taken; behind discarded records further than `mark.position`.
    private var position: UInt64
    /// Records that found no room, not yet told in the stream.
    private var untoldLosses: UInt64 = 0
    /// Whether records may be lost of which nobody knows how many, not yet told in the stream.
    private var hasUnknownLosses = false
    private var lastCounterNanoseconds: UInt64 = 0
    private var hasReadCounter = false
    /// Whether the lost counter was not read since the last record, or losses are still untold.
    var isCounterStale: Bool { !hasReadCounter || untoldLosses > 0 || hasUnknownLosses }

    /// What one call of `drain` did.
    struct Drained {
        var records = 0
        var bytes: UInt64 = 0
        var waiting: [UInt64: Subscription] = [:]
    }

    init(
        _ stream: EventStream, _ source: any RecordSource, _ journal: Journal,
        _ schema: RecordSchema?, _ lostCounter: (any LostCounter)?, left: OpenMark? = nil
    ) {
        self.stream = stream
        self.source = source
        self.journal = journal
        self.schema = schema
        self.lostCounter = lostCounter
        let (last, end, mark) = stream.state.withLock { ($0.segments.last, $0.end, $0.mark) }
        totals = end
        let counted = lostCounter?.lostRecords()
        flood = Flood(Flood.Moment(stream, end, untold: 0, counted: counted), journal.limits)
        // Nothing lies further ahead than the ring is long: a mark beyond it is damaged.
        let consumed = source.consumerPosition
        let isWithin =
            mark.position <= consumed || mark.position - consumed <= UInt64(source.dataBytes)
        if mark.identity == source.identity, isWithin {
            self.mark = mark
            // What was taken but not yet given back when the last daemon died is not taken again.
            position = max(mark.position, consumed)
            if let untold = last?.untold, untold.position > mark.position,
                untold.position <= consumed + UInt64(source.dataBytes), untold.count < 1 << 56
            {
                untoldLosses = untold.count
                position = max(untold.position, consumed)
            }
            if untoldLosses == 0, let last, last.header.type == schema?.fingerprint ?? 0 {
                segment = last
                offset = last.tail
            }
        } else {
            self.mark = RingMark(identity: source.identity)
            position = consumed
        }
        // What a source counts itself begins with it.
        if lostCounter == nil, source.lostRecords != nil { self.mark.lostCounter = 0 }
        source.release(upTo: position)
        hasUnknownLosses = left?.mayHaveLost(source, countsFailures: lostCounter != nil) ?? false
    }

    /// Takes up to `limit` records, commits them, gives the ring's space back: in this order, so
    /// that whatever moment a crash comes at, the journal or the ring still has each record.
    /// - Parameter isLast: nobody comes for what would be left in the ring.
    func drain(limit: Int, isLast: Bool = false) -> Drained {
        forgetEvictedSegment()
        let nanoseconds = clock.look()
        let start = position
        var drained = Drained()
        while drained.records < limit {
            let (taken, refused) = append(limit - drained.records, nanoseconds)
            drained.records += taken
            guard let refused else { break }
            let rolled = roll(for: refused, nanoseconds)
            if rolled == .made { continue }
            // Full, the ring makes the program count what it loses as exactly as we would, and to
            // take each record only to count it is what the readers' time would go to.
            if rolled == .held(isCounted: true), !isLast { break }
            // One that is larger than all that may be kept is lost alone; else nothing has room.
            let isAlone =
                refused > min(journal.bytesPerStream(stream), journal.limits.bytesInAll)
            drained.records += lose(isAlone ? 1 : limit - drained.records)
            if !isAlone { break }
        }
        drained.bytes = position - start
        if drained.records > 0 { hasReadCounter = false }
        if position != start { finish(nanoseconds, &drained) }
        return drained
    }

    private var untold: UntoldLosses {
        UntoldLosses(count: untoldLosses, position: untoldLosses > 0 ? position : 0)
    }

    private func finish(_ nanoseconds: UInt64, _ drained: inout Drained) {
        segment?.commit(offset)
        source.release(upTo: position)
        drained.waiting = stream.publish(totals, mark, endOffset: offset, nanoseconds: nanoseconds)
    }

    /// Appends to the present segment until the ring, the limit or the segment ends.
    /// - Returns: how many, and the length of the record for which there was no room.
    private func append(_ limit: Int, _ nanoseconds: UInt64) -> (taken: Int, refused: Int?) {
        var refused: Int?
        guard let segment else {
            _ = unsafe source.take(from: position, limit: 1) { record, _ in
                refused = record.count
                return false
            }
            return (0, refused)
        }
        var batch = Batch(
            appender: segment.makeAppender(at: offset, sequence: totals.nextSequence),
            last: mark.position)
        let source = source
        let (clock, check, isPadded) = (clock, schema?.check, source.isPadded)
        let isTimed = source.recordNanoseconds != 0 || isPadded
        position = unsafe source.take(from: position, limit: limit) { record, after in
            let time = isTimed ? source.recordNanoseconds : 0
            let taken = time == 0 ? nanoseconds : time &+ clock.offset
            var verdict = RecordCheck.Verdict(
                flags: 0, nanoseconds: taken, count: record.count, isInvalid: false)
            if let check {
                verdict = unsafe check.verdict(record, isPadded: isPadded, clock, taken: taken)
            }
            let kept = unsafe UnsafeRawBufferPointer(rebasing: record[..<verdict.count])
            guard
                unsafe batch.appender.append(
                    kept, flags: verdict.flags, nanoseconds: verdict.nanoseconds, position: after)
            else {
                refused = record.count
                return false
            }
            if verdict.isInvalid { batch.count(invalid: verdict.flags) } else { batch.valid &+= 1 }
            batch.last = after
            return true
        }
        totals.records += batch.valid
        totals.invalid &+= batch.invalid
        mark.position = batch.last
        offset = batch.appender.offset
        return (Int(batch.valid &+ batch.invalid.wrappedSum()), refused)
    }

    private struct Batch {
        var appender: Appender
        var last: UInt64
        var valid: UInt64 = 0
        var invalid = SIMD8<UInt64>(repeating: 0)

        mutating func count(invalid flags: UInt32) { invalid[Int(flags >> 8 & 7)] &+= 1 }
    }

    /// Takes records away that have no place to go.
    private func lose(_ limit: Int) -> Int {
        var count = 0
        position = unsafe source.take(from: position, limit: limit) { _, _ in
            count += 1
            return true
        }
        untoldLosses += UInt64(count)
        stream.state.withLock { $0.segments.last }?.note(untold)
        return count
    }

    /// Retention may have taken the segment that was written to.
    private func forgetEvictedSegment() {
        guard let segment else { return }
        if stream.state.withLock({ $0.segments.last !== segment }) { self.segment = nil }
    }

    private enum Rolled: Equatable {
        case made
        /// There is no room for it.
        case full
        /// A flood's reader comes first.
        case held(isCounted: Bool)
    }

    /// Ends the present segment and begins one with room for a record of `length` bytes.
    private func roll(for length: Int, _ nanoseconds: UInt64, isLast: Bool = false) -> Rolled {
        if let segment {
            segment.commit(offset)
            // So that a reader who finds the new segment finds the end of this one's counts.
            wake(stream.publish(totals, mark, endOffset: offset, nanoseconds: nanoseconds))
            source.release(upTo: position)
        }
        let need =
            SegmentHeader.byteCount + EntryHeader.span(length)
            + 3 * EntryHeader.span(EntryHeader.gapByteCount)
        let wanted =
            heldBytes ?? segment.map { $0.size * 2 } ?? JournalLimits.firstSegmentBytes
        let size = roundUp(max(min(wanted, journal.largestSegmentBytes(stream)), need))
        segment = nil
        let counted = lostCounter?.lostRecords()
        let moment = Flood.Moment(stream, totals, untold: untoldLosses, counted: counted)
        let most = journal.bytesPerStream(stream)
        if !isLast, flood.holdsBack(stream, totals, for: size, of: most, moment) {
            heldBytes = size
            return .held(isCounted: counted != nil)
        }
        heldBytes = nil
        guard let made = make(size, smallest: roundUp(need), nanoseconds) else { return .full }
        segment = made
        offset = SegmentHeader.byteCount
        stream.add(made)
        flood.begin(moment)
        if untoldLosses > 0 {
            let lost = untoldLosses
            untoldLosses = 0
            mark.position = position
            appendGap(lost, flags: EntryHeader.gap | EntryHeader.journalGap, nanoseconds)
        }
        return .made
    }

    private func roundUp(_ size: Int) -> Int {
        (size + JournalLimits.pageBytes - 1) / JournalLimits.pageBytes * JournalLimits.pageBytes
    }

    /// Where the file system is full, the stream's own oldest segments go, then a small segment
    /// must do.
    private func make(_ size: Int, smallest: Int, _ nanoseconds: UInt64) -> Segment? {
        let header = SegmentHeader(
            stream: stream.number, mark: mark, type: schema?.fingerprint ?? 0, before: totals,
            createdNanoseconds: nanoseconds, untold: untold)
        let path = stream.directory + "/" + Recovery.fileName(header.firstSequence)
        stream.removeEmptyLast(header.firstSequence)
        var size = size
        var reusable: Segment?
        while journal.makeRoom(size, for: stream, &reusable) {
            do {
                if let old = reusable {
                    reusable = nil
                    return try Segment(reusing: old, at: path, header)
                }
                return try Segment(creating: path, size: size, header)
            } catch {
                if stream.state.withLock({ !$0.segments.isEmpty }) {
                    stream.evictOldest()
                } else if size > smallest {
                    size = smallest
                } else {
                    return nil
                }
            }
        }
        // As in evictOldest.
        try? reusable?.unlink()
        return nil
    }

    private func wake(_ waiting: [UInt64: Subscription]) {
        for subscription in waiting.values { subscription.wakeUp() }
    }
}

// MARK: - What the program itself lost

extension StreamWriter {
    /// Puts what was lost since the last look into the stream, where it is noticed.
    /// - Parameter now: monotonic; a look less than 100 ms after the last is none, unless `force`.
    /// - Parameter isLast: no record will come any more: what is to be told is told now.
    func lookForLosses(
        now: UInt64, force: Bool = false, isLast: Bool = false
    ) -> [UInt64: Subscription] {
        guard force || isLast || now - lastCounterNanoseconds >= Pace.counterNanoseconds else {
            return [:]
        }
        lastCounterNanoseconds = now
        hasReadCounter = true
        let counted = lostCounter?.lostRecords() ?? source.lostRecords
        let count = max(counted ?? 0, mark.lostCounter)
        guard count > mark.lostCounter || untoldLosses > 0 || hasUnknownLosses else { return [:] }
        forgetEvictedSegment()
        let nanoseconds = Clock.realtimeNanoseconds()
        // For a counted gap and one of unknown size.
        let need = 2 * EntryHeader.span(EntryHeader.gapByteCount)
        let hasRoom = segment.map { offset + need <= $0.size }
        // What is untold is told first thing in a new segment.
        if hasRoom != true, roll(for: 0, nanoseconds, isLast: isLast) != .made { return [:] }
        if hasUnknownLosses {
            hasUnknownLosses = false
            appendGap(1, flags: EntryHeader.gap | EntryHeader.unknownGap, nanoseconds)
        }
        if count > mark.lostCounter {
            let lost = count - mark.lostCounter
            mark.lostCounter = count
            appendGap(lost, flags: EntryHeader.gap, nanoseconds)
        }
        segment?.commit(offset)
        return stream.publish(totals, mark, endOffset: offset, nanoseconds: nanoseconds)
    }

    /// The caller made sure that there is room.
    private func appendGap(_ lost: UInt64, flags: UInt32, _ nanoseconds: UInt64) {
        guard let segment else { return }
        var appender = segment.makeAppender(
            at: offset, sequence: totals.nextSequence)
        let done = appender.append(
            lost: lost, counter: mark.lostCounter, flags: flags, nanoseconds: nanoseconds,
            position: mark.position)
        precondition(done, "no room for a gap at \(offset) of \(segment.size)")
        offset = appender.offset
        if flags & EntryHeader.unknownGap != 0 {
            totals.unknownGaps += lost
        } else if flags & EntryHeader.journalGap != 0 {
            totals.lostInJournal += lost
        } else {
            totals.lostInKernel += lost
        }
    }
}
