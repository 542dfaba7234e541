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

    init(_ query: StreamQuery, _ journal: UInt64, _ places: [Place]) {
        self.query = query
        self.journal = journal
        self.places = places
        isGreeted = query.records == .events
        left = max(query.limit ?? .max, 0)
    }

    func ledgers(_ id: UInt64) -> [(stream: UInt64, end: Totals, reader: StreamLedger.Reader)] {
        places.map { place in
            let end = place.stream.state.withLock { $0.end }
            return (place.stream.number, end, place.ledger(id, end))
        }
    }

    /// Follows a stream that appeared after the subscription, from its first record.
    mutating func join(_ stream: EventStream) {
        guard query.follow, !places.contains(where: { $0.stream === stream }) else { return }
        places.append(Place(stream, .after(0), query))
        places.sort { $0.stream.number < $1.stream.number }
    }

    /// Appends what there is.
    /// - Parameters:
    ///   - ending: ends the answer now.
    ///   - whenDone: ends it when everything was given.
    /// - Returns: true when nothing will come any more.
    mutating func read(
        into buffer: inout OutputSpan<UInt8>, ending: EndReason?, whenDone: EndReason?,
        isHeartbeatDue: Bool
    ) -> Bool {
        spill.flush(into: &buffer)
        guard spill.isEmpty, !isEnded else { return isEnded && spill.isEmpty }
        if !isGreeted { greet(&buffer) }
        if let ending { return end(ending, &buffer) }
        let before = buffer.count
        if places.count == 1 { deliver(0, &buffer) } else { merge(&buffer) }
        if left == 0, query.limit != nil { return end(.limit, &buffer) }
        guard spill.isEmpty, buffer.freeCapacity > 0, isCaughtUp else { return false }
        if !query.follow { return end(.complete, &buffer) }
        if let whenDone { return end(whenDone, &buffer) }
        if isHeartbeatDue, buffer.count == before { say(control.heartbeat(), &buffer) }
        return false
    }

    private var isCaughtUp: Bool {
        places.allSatisfy { place in
            place.sequence >= place.end ?? place.stream.state.withLock { $0.end.nextSequence }
        }
    }

    // MARK: Lines of our own

    private var cursor: Cursor { Cursor(journal: journal, places: places.map(\.cursor)) }

    private var control: ControlLine { ControlLine(format: query.format, cursor: cursor) }

    private mutating func say(_ line: [UInt8], _ buffer: inout OutputSpan<UInt8>) {
        if query.records != .events { spill.put(line.span, into: &buffer) }
    }

    private mutating func greet(_ buffer: inout OutputSpan<UInt8>) {
        isGreeted = true
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
        case told(GapPlace, lost: UInt64, Segment, end: Int, nanoseconds: UInt64)

        /// Orders the streams of a merge; `nil` where there is nothing.
        var nanoseconds: UInt64? {
            switch self {
            case .nothing: nil
            case .gap: 0
            case .entry(_, _, let entry): entry.nanoseconds
            case .told(_, _, _, _, let nanoseconds): nanoseconds
            }
        }
    }

    private mutating func next(_ index: Int) -> Next {
        let stream = places[index].stream
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
            guard entry.isGap else { return .entry(segment, offset, entry) }
            return .told(
                entry.flags & EntryHeader.journalGap != 0 ? .journal : .kernel,
                lost: segment.gap(at: offset).lost, segment,
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
        _ index: Int, _ place: GapPlace, _ lost: UInt64, _ segment: Segment, end: Int,
        _ buffer: inout OutputSpan<UInt8>
    ) {
        places[index].sequence &+= lost
        places[index].hint = (segment.firstSequence, end)
        say(control.gap(lost, place, of: places[index].stream.key), &buffer)
    }

    /// Whether the query's type leaves out the records of a segment.
    private func leavesOut(_ segment: Segment, _ stream: EventStream) -> Bool {
        guard let type = query.type else { return false }
        return stream.type(of: segment)?.name != type
    }

    // MARK: One stream

    /// Copies whole runs of lines.
    private mutating func deliver(_ index: Int, _ buffer: inout OutputSpan<UInt8>) {
        while spill.isEmpty, buffer.freeCapacity > 0, left > 0 {
            switch next(index) {
            case .nothing: return
            case .gap(let place, let next): sayGap(index, place, next: next, &buffer)
            case .told(let place, let lost, let segment, let end, _):
                sayTold(index, place, lost, segment, end: end, &buffer)
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
        while place.sequence < place.end ?? .max,
            let entry = segment.entry(at: offset, before: tail), !entry.isGap,
            entry.sequence == place.sequence
        {
            place.sequence &+= 1
            if !entry.isInvalid || place.countsInvalid {
                place.ordinal &+= 1
                place.filtered &+= 1
            }
            offset += EntryHeader.span(Int(entry.length))
        }
        place.hint = (segment.firstSequence, offset)
        places[index] = place
    }

    /// Copies lines from the shared text, or the beginning of one that is longer than the room.
    private mutating func copy(
        _ index: Int, _ segment: Segment, _ offset: Int, _ buffer: inout OutputSpan<UInt8>
    ) {
        let place = places[index]
        let piece = place.rendering.piece(place.stream, segment, place.sequence, offset: offset)
        let first = piece.entries.lowerBound
        let most = place.end.map { Int(clamping: $0 - place.sequence) } ?? .max
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

    private mutating func advance(
        _ index: Int, _ segment: Segment, _ piece: Piece, _ run: Piece.Run
    ) {
        let last = piece.chunk.line(piece.entries.lowerBound + run.count - 1)
        places[index].advance(run)
        places[index].hint = (segment.firstSequence, Int(last.entryEnd))
        left -= run.visible
    }

    // MARK: Several streams

    /// Gives the streams' lines by time, then by stream, each with a cursor over all places.
    private mutating func merge(_ buffer: inout OutputSpan<UInt8>) {
        while spill.isEmpty, buffer.freeCapacity > 0, left > 0 {
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
            case .told(let place, let lost, let segment, let end, _):
                sayTold(best.index, place, lost, segment, end: end, &buffer)
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
                header.nanoseconds <= until
            else { return }
            let text = piece.chunk.textStart(entry)..<Int(piece.chunk.line(entry).textEnd)
            let own = places[index].stream.ownCursorByteCount(header.sequence)
            let one = Piece(chunk: piece.chunk, entries: entry..<entry + 1, isDense: piece.isDense)
            advance(index, segment, one, Piece.Run(count: 1, visible: text.isEmpty ? 0 : 1))
            entryOffset = Int(piece.chunk.line(entry).entryEnd)
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

extension Piece {
    /// A number of entries from the first on, and how many of them have text.
    struct Run {
        var count: Int
        var visible: Int
    }

    /// As many entries as are within all three; none where the first one's text is too long.
    func run(most: Int, visible: Int, bytes: Int) -> Run {
        let entries = entries.prefix(most)
        let start = chunk.textStart(entries.lowerBound)
        var (low, high) = (entries.lowerBound, entries.upperBound)
        if let last = entries.last, Int(chunk.line(last).textEnd) - start <= bytes { low = high }
        while low < high {
            let middle = (low + high) / 2
            if Int(chunk.line(middle).textEnd) - start <= bytes {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let fitting = low - entries.lowerBound
        if isDense {
            let count = min(fitting, visible)
            return Run(count: count, visible: count)
        }
        var run = Run(count: 0, visible: 0)
        while run.count < fitting, run.visible < visible {
            let index = entries.lowerBound + run.count
            if chunk.textStart(index) < Int(chunk.line(index).textEnd) { run.visible += 1 }
            run.count += 1
        }
        return run
    }
}
