/// What a subscription reads with: its places, and what it has yet to say.
struct Reader {
    private let query: StreamQuery
    private let journal: UInt64
    /// In order of the streams' numbers.
    private(set) var places: [Place]
    private var spill = Spill()
    private var isGreeted: Bool
    private var isEnded = false
    /// Events that may still be given.
    private var left: Int
    private var hasGiven = false
    /// Whether it paused, so that other connections of its thread have their turn.
    private(set) var hasPaused = false
    /// Pieces and segments without a line for this reader, after which it pauses.
    private static let pauseAfter = 32

    init(_ query: StreamQuery, _ journal: UInt64, _ places: [Place]) {
        self.query = query
        self.journal = journal
        self.places = places
        isGreeted = query.records == .events && query.format != .csv
        left = max(query.limit ?? .max, 0)
    }

    /// Follows a stream that appeared after the subscription, from its first record.
    mutating func join(_ stream: EventStream) {
        guard query.follow || query.waitNanoseconds != nil,
            !places.contains(where: { $0.stream === stream })
        else { return }
        places.append(Place(stream, .after(0), query))
        places.sort { $0.stream.number < $1.stream.number }
    }

    /// What a reader is told before it reads.
    struct News {
        /// Ends the answer now.
        var ending: EndReason?
        /// Ends it when everything was given.
        var whenDone: EndReason?
        var isHeartbeatDue = false
        /// The query's `wait` or `until` is over.
        var isDeadlineOver = false
    }

    /// Appends what there is.
    /// - Returns: true when nothing will come any more.
    mutating func read(into buffer: inout OutputSpan<UInt8>, _ news: News) -> Bool {
        hasPaused = false
        spill.flush(into: &buffer)
        guard spill.isEmpty, !isEnded else { return isEnded && spill.isEmpty }
        if !isGreeted { greet(&buffer) }
        if let ending = news.ending { return end(ending, &buffer) }
        let before = buffer.count
        if places.count == 1 { deliver(0, &buffer) } else { merge(&buffer) }
        for index in places.indices { places[index].tellLead() }
        if left == 0, query.limit != nil { return end(.limit, &buffer) }
        if hasGiven, query.waitNanoseconds != nil { fixEnds() }
        guard spill.isEmpty, buffer.freeCapacity > 0, !hasPaused, isCaughtUp else { return false }
        if let reason = reasonToEnd(news) { return end(reason, &buffer) }
        if news.isHeartbeatDue, buffer.count == before { say(control.heartbeat(), &buffer) }
        return false
    }

    /// Why a reader who was given everything is at its end.
    private func reasonToEnd(_ news: News) -> EndReason? {
        if query.untilNanoseconds != nil {
            let isOver = query.follow && news.isDeadlineOver
            if isOver || !places.isEmpty && places.allSatisfy(\.isDone) { return .until }
        }
        if query.follow { return news.whenDone }
        guard query.waitNanoseconds != nil, !hasGiven else { return .complete }
        return news.isDeadlineOver ? .timeout : news.whenDone
    }

    /// A long poll that has something to give gives what there is by now.
    private mutating func fixEnds() {
        for index in places.indices where places[index].end == nil {
            places[index].end = places[index].stream.readableEnd
        }
    }

    private var isCaughtUp: Bool {
        places.allSatisfy { place in
            place.isDone
                || place.sequence >= place.end ?? place.stream.readableEnd
        }
    }

    // MARK: Lines of our own

    private var cursor: Cursor { Cursor(journal: journal, places: places.map(\.cursor)) }

    private var control: ControlLine {
        ControlLine(format: query.format, cursor: cursor, columns: query.columns.count)
    }

    private mutating func say(_ line: [UInt8], _ buffer: inout OutputSpan<UInt8>) {
        if query.records != .events { spill.put(line.span, into: &buffer) }
    }

    private mutating func greet(_ buffer: inout OutputSpan<UInt8>) {
        isGreeted = true
        guard query.format != .csv else {
            return spill.put(CSVText.header(query.columns).span, into: &buffer)
        }
        let oldest = places.map { place in
            Cursor.Place(
                stream: place.stream.number,
                sequence: place.stream.state.withLock { $0.oldest.nextSequence } - 1)
        }
        say(
            control.hello(
                oldest: Cursor(journal: journal, places: oldest),
                heartbeatSeconds: query.heartbeatSeconds), &buffer)
    }

    private mutating func end(_ reason: EndReason, _ buffer: inout OutputSpan<UInt8>) -> Bool {
        isEnded = true
        say(control.end(reason), &buffer)
        return spill.isEmpty
    }

    // MARK: Entries

    /// What comes next in a place.
    private enum Next {
        case nothing
        /// An entry of records: its segment and offset.
        case entry(Segment, Int, EntryHeader)
        /// Numbers that cannot be given.
        case gap(GapPlace, next: Totals)
        /// A gap that the journal tells of; it ends at this offset of the segment.
        case told(ToldGap, Segment, end: Int, nanoseconds: UInt64)

        /// Orders the streams of a merge; `nil` where there is nothing.
        var nanoseconds: UInt64? {
            switch self {
            case .nothing: nil
            case .gap: 0
            case .entry(_, _, let entry): entry.nanoseconds
            case .told(_, _, _, let nanoseconds): nanoseconds
            }
        }
    }

    private mutating func next(_ index: Int) -> Next {
        let stream = places[index].stream
        if places[index].isDone { return .nothing }
        if let end = places[index].end, places[index].sequence >= end { return .nothing }
        switch stream.locate(places[index].sequence, hint: places[index].hint) {
        case .caughtUp: return .nothing
        case .evicted(let next):
            let isOld = places[index].sequence < places[index].oldestAtStart
            return .gap(isOld ? .journal : .subscriber, next: next)
        case .entry(let segment, nil):
            guard places[index].walk(segment) else {
                return .gap(.journal, next: stream.totals(after: segment))
            }
            return self.next(index)
        case .entry(let segment, let offset?):
            places[index].hint = (segment.firstSequence, offset)
            guard let entry = segment.entry(at: offset, before: segment.tail),
                entry.sequence == places[index].sequence
            else { return .gap(.journal, next: stream.totals(after: segment)) }
            if let until = query.untilNanoseconds, entry.nanoseconds >= until {
                places[index].isDone = true
                return .nothing
            }
            guard entry.isGap else { return .entry(segment, offset, entry) }
            return .told(
                ToldGap(entry, lost: segment.gap(at: offset).lost), segment,
                end: offset + EntryHeader.span(Int(entry.length)), nanoseconds: entry.nanoseconds)
        }
    }

    private mutating func sayGap(
        _ index: Int, _ place: GapPlace, next: Totals, _ buffer: inout OutputSpan<UInt8>
    ) {
        let lost = next.nextSequence &- places[index].sequence
        places[index].jump(to: next)
        if lost > 0 { say(control.gap(lost, place, of: places[index].stream.key), &buffer) }
    }

    private mutating func sayTold(
        _ index: Int, _ gap: ToldGap, _ segment: Segment, end: Int,
        _ buffer: inout OutputSpan<UInt8>
    ) {
        places[index].sequence &+= gap.numbers
        places[index].hint = (segment.firstSequence, end)
        say(control.gap(gap.lost, gap.place, of: places[index].stream.key), &buffer)
    }

    /// Whether the query's type leaves out all records of a segment.
    private func leavesOut(_ segment: Segment, _ stream: EventStream) -> Bool {
        guard let type = query.type, query.records != .invalid else { return false }
        let types = stream.schema(of: segment)?.types ?? []
        return !types.contains { $0.name == type }
    }

    // MARK: One stream

    /// Copies whole runs of lines.
    private mutating func deliver(_ index: Int, _ buffer: inout OutputSpan<UInt8>) {
        var (idle, before) = (0, buffer.count)
        while spill.isEmpty, buffer.freeCapacity > 0, left > 0 {
            idle = buffer.count == before ? idle + 1 : 0
            before = buffer.count
            if idle > Self.pauseAfter { return hasPaused = true }
            switch next(index) {
            case .nothing: return
            case .gap(let place, let next): sayGap(index, place, next: next, &buffer)
            case .told(let gap, let segment, let end, _):
                sayTold(index, gap, segment, end: end, &buffer)
            case .entry(let segment, let offset, _):
                if leavesOut(segment, places[index].stream) {
                    skip(index, segment)
                } else {
                    copy(index, segment, offset, &buffer)
                }
            }
        }
    }

    /// Passes over the records up to the next gap or the segment's end.
    private mutating func skip(_ index: Int, _ segment: Segment) {
        let tail = segment.tail
        var offset = places[index].hint?.offset ?? tail
        var place = places[index]
        let until = query.untilNanoseconds ?? .max
        let end = min(place.end ?? .max, place.stream.readableEnd)
        while place.sequence < end,
            let entry = segment.entry(at: offset, before: tail), !entry.isGap,
            entry.sequence == place.sequence, entry.nanoseconds < until
        {
            place.pass(1)
            if !entry.isInvalid || place.countsInvalid {
                place.ordinal &+= 1
                place.filtered &+= 1
            }
            offset += EntryHeader.span(Int(entry.length))
        }
        place.hint = (segment.firstSequence, offset)
        places[index] = place
    }

    /// Renders lines where no other reader wants them.
    /// - Returns: false where one does.
    private mutating func renderAlone(
        _ index: Int, _ segment: Segment, _ offset: Int, _ buffer: inout OutputSpan<UInt8>
    ) -> Bool {
        let place = places[index]
        guard
            let (run, end) = place.rendering.renderAlone(
                place.stream, segment, (place.sequence, offset),
                most: place.mostEntries, visible: left,
                until: query.untilNanoseconds ?? .max, &spill, into: &buffer)
        else { return false }
        precondition(run.count > 0, "no text for \(place.sequence)")
        advance(index, segment, run, end: end)
        return true
    }

    /// Copies lines from the shared text, or the beginning of one that is longer than the room.
    private mutating func copy(
        _ index: Int, _ segment: Segment, _ offset: Int, _ buffer: inout OutputSpan<UInt8>
    ) {
        if renderAlone(index, segment, offset, &buffer) { return }
        let place = places[index]
        let piece = place.rendering.piece(place.stream, segment, place.sequence, offset: offset)
        let first = piece.entries.lowerBound
        var most = place.mostEntries
        if let until = query.untilNanoseconds {
            most = min(most, entries(of: piece, segment, from: offset, before: until))
        }
        let start = piece.chunk.textStart(first)
        let run = piece.run(most: most, visible: left, bytes: buffer.freeCapacity)
        precondition(run.count > 0 || !piece.entries.isEmpty, "no text for \(place.sequence)")
        if run.count > 0 {
            let text = start..<piece.chunk.textStart(first + run.count)
            piece.chunk.withText(text) { buffer.append($0) }
            advance(index, segment, piece, run)
        } else {
            let text = start..<piece.chunk.textStart(first + 1)
            piece.chunk.withText(text) { spill.put($0, into: &buffer) }
            advance(index, segment, piece, Piece.Run(count: 1, visible: 1))
        }
    }

    /// How many entries of a piece come before the first that is not earlier than `until`.
    private func entries(
        of piece: Piece, _ segment: Segment, from offset: Int, before until: UInt64
    ) -> Int {
        let tail = segment.tail
        var (count, at) = (0, offset)
        while count < piece.entries.count, let entry = segment.entry(at: at, before: tail),
            entry.nanoseconds < until
        {
            count += 1
            at += EntryHeader.span(Int(entry.length))
        }
        return count
    }

    private mutating func advance(
        _ index: Int, _ segment: Segment, _ piece: Piece, _ run: Piece.Run
    ) {
        let last = piece.chunk.line(piece.entries.lowerBound + run.count - 1)
        advance(index, segment, run, end: last.entryEnd)
    }

    private mutating func advance(
        _ index: Int, _ segment: Segment, _ run: Piece.Run, end: Int
    ) {
        places[index].advance(run)
        places[index].hint = (segment.firstSequence, end)
        left -= run.visible
        if run.visible > 0 { hasGiven = true }
    }

    // MARK: Several streams

    /// Gives the streams' lines by time, then by stream, each with a cursor over all places.
    private mutating func merge(_ buffer: inout OutputSpan<UInt8>) {
        var (idle, before) = (0, buffer.count)
        while spill.isEmpty, buffer.freeCapacity > 0, left > 0 {
            idle = buffer.count == before ? idle + 1 : 0
            before = buffer.count
            if idle > Self.pauseAfter { return hasPaused = true }
            var best: (index: Int, time: UInt64, next: Next)?
            // Up to here the best one's lines come before the others'.
            var until = UInt64.max
            for index in places.indices {
                let next = next(index)
                guard let time = next.nanoseconds else { continue }
                if let present = best, time >= present.time {
                    until = min(until, time)
                } else {
                    // At the same time the stream that comes first has precedence.
                    if let present = best { until = min(until, present.time - 1) }
                    best = (index, time, next)
                }
            }
            guard let best else { return }
            switch best.next {
            case .nothing: return
            case .gap(let place, let next): sayGap(best.index, place, next: next, &buffer)
            case .told(let gap, let segment, let end, _):
                sayTold(best.index, gap, segment, end: end, &buffer)
            case .entry(let segment, let offset, _):
                if leavesOut(segment, places[best.index].stream) {
                    skip(best.index, segment)
                } else {
                    splice(best.index, segment, offset, until: until, &buffer)
                }
            }
        }
    }

    /// Copies lines of one stream whose time is not after `until`, putting the merge's cursor in
    /// place of the stream's own.
    private mutating func splice(
        _ index: Int, _ segment: Segment, _ offset: Int, until: UInt64,
        _ buffer: inout OutputSpan<UInt8>
    ) {
        let place = places[index]
        let piece = place.rendering.piece(place.stream, segment, place.sequence, offset: offset)
        let tail = segment.tail
        var entryOffset = offset
        for entry in piece.entries {
            guard spill.isEmpty, buffer.freeCapacity > 0, left > 0 else { return }
            if let end = places[index].end, places[index].sequence >= end { return }
            guard let header = segment.entry(at: entryOffset, before: tail),
                header.nanoseconds <= until, header.nanoseconds < query.untilNanoseconds ?? .max
            else { return }
            let text = piece.chunk.textStart(entry)..<Int(piece.chunk.line(entry).textEnd)
            let own = places[index].stream.ownCursorByteCount(header.sequence)
            let one = Piece(chunk: piece.chunk, entries: entry..<entry + 1, isDense: piece.isDense)
            let line = piece.chunk.line(entry)
            let isFiltered = text.isEmpty && !line.isUncounted
            advance(
                index, segment, one,
                Piece.Run(
                    count: 1, visible: text.isEmpty ? 0 : 1, filtered: isFiltered ? 1 : 0))
            entryOffset = line.entryEnd
            if text.isEmpty { continue }
            let cursor = cursor.text
            piece.chunk.withText(text) { line in
                var at = 0
                for lead in query.format.cursorOffsets(own: own) {
                    spill.put(line.extracting(at..<lead), into: &buffer)
                    spill.put(cursor.span, into: &buffer)
                    at = lead + own
                }
                spill.put(line.extracting(at..<line.count), into: &buffer)
            }
        }
    }
}
