internal import Synchronization

/// The text of a stream in all variants that somebody reads.
final class Renderings: Sendable {
    /// Forgotten when its last reader goes: filters are as many as clients make up.
    private struct Kept: Sendable { weak let rendering: Rendering? }

    private let head: LineHead
    private let journal: JournalContext
    private let variants = Mutex<[LineVariant: Kept]>([:])

    init(_ head: LineHead, _ journal: JournalContext) {
        self.head = head
        self.journal = journal
    }

    func rendering(_ variant: LineVariant) -> Rendering {
        variants.withLock { variants in
            if let rendering = variants[variant]?.rendering { return rendering }
            variants = variants.filter { $0.value.rendering != nil }
            let rendering = Rendering(head, variant, journal)
            variants[variant] = Kept(rendering: rendering)
            return rendering
        }
    }

    private var all: [Rendering] { variants.withLock { $0.values.compactMap(\.rendering) } }

    /// Forgets the text of an evicted segment, which keeps its memory.
    func drop(_ segment: Segment) {
        for rendering in all { rendering.drop { $0.segment === segment } }
    }

    /// Forgets everything: nobody reads any more, or a type became known.
    func dropAll() {
        for rendering in all { rendering.drop { _ in true } }
    }

    /// Lines rendered since the start, in all variants.
    var renderedLines: UInt64 { all.reduce(0) { $0 + $1.renderedLines } }
}

/// The text of a stream in one variant: each entry is rendered once, by the first reader who wants
/// it, as long as the memory lasts.
final class Rendering: Sendable {
    private struct State: ~Copyable {
        /// By their first numbers; they do not overlap.
        var chunks: [Chunk] = []
        var uses: UInt64 = 0
        var renderedLines: UInt64 = 0
        var renderer: LineRenderer
        var selector: Selector

        /// Makes the line of an entry. False where the variant does not show it.
        @inline(__always)
        mutating func render(
            _ entry: EntryHeader, _ segment: Segment, _ offset: Int, _ variant: LineVariant
        ) -> Bool {
            guard entry.isInvalid == variant.showsInvalid else { return false }
            return segment.withRecord(entry, at: offset) { record in
                guard entry.isInvalid || selector.takes(entry, record) else { return false }
                renderer.render(entry, record)
                renderedLines += 1
                return true
            }
        }

        /// Whether text from `sequence` on was kept for others.
        func hasText(_ sequence: UInt64) -> Bool {
            chunks.contains { $0.first <= sequence && sequence - $0.first < UInt64($0.count) }
        }

        /// Makes the last chunk, where nobody copies from it, the only one, for other entries.
        mutating func reuseLast(_ segment: Segment, _ sequence: UInt64, _ bytes: Int) -> Bool {
            guard var chunk = chunks.popLast() else { return false }
            chunks.removeAll(keepingCapacity: true)
            guard chunk.textBytes == bytes, isKnownUniquelyReferenced(&chunk) else { return false }
            chunk.reuse(segment, first: sequence)
            chunks.append(chunk)
            return true
        }
    }

    private let variant: LineVariant
    private let budget: TextBudget
    private let state: Mutex<State>

    init(_ head: LineHead, _ variant: LineVariant, _ journal: JournalContext) {
        self.variant = variant
        budget = journal.budget
        state = Mutex(
            State(
                renderer: LineRenderer(head, variant, journal.resolver),
                selector: Selector(variant.selection)))
    }

    var renderedLines: UInt64 { state.withLock { $0.renderedLines } }

    func drop(_ isUnwanted: (Chunk) -> Bool) {
        state.withLock { $0.chunks.removeAll(where: isUnwanted) }
    }

    /// The text from entry `sequence` on, which lies at `offset` of `segment` and is no gap.
    func piece(
        _ stream: EventStream, _ segment: Segment, _ sequence: UInt64, offset: Int
    ) -> Piece {
        state.withLock { state in
            state.uses += 1
            let after = state.chunks.partitioningIndex { $0.first > sequence }
            let limit = after < state.chunks.count ? state.chunks[after].first : .max
            var found: Chunk?
            if after > 0 {
                let chunk = state.chunks[after - 1]
                let covers = sequence - chunk.first < UInt64(chunk.count)
                let goesOn = sequence - chunk.first == UInt64(chunk.count) && !chunk.isClosed
                if chunk.segment === segment && (covers || goesOn) { found = chunk }
            }
            var chunk = found ?? add(&state, stream, segment, sequence, at: after)
            if !chunk.isClosed { extend(&state, chunk, stream, from: offset, limit) }
            if sequence - chunk.first == UInt64(chunk.count) {
                // It had no room for even this line: the line begins another.
                chunk = add(&state, stream, segment, sequence, at: after)
                extend(&state, chunk, stream, from: offset, limit)
            }
            chunk.lastUse = state.uses
            return Piece(
                chunk: chunk, entries: Int(sequence - chunk.first)..<chunk.count,
                isDense: chunk.hidden == 0)
        }
    }

    /// Renders from entry `sequence` on straight into what the stream's only reader sends: what
    /// nobody else reads is not kept. Until one of `most` and `visible` is reached, the buffer is
    /// full, or for as long as a piece may be.
    /// - Returns: how many, and where the last one ends; nil where others read too, or have read.
    func renderAlone(
        _ stream: EventStream, _ segment: Segment, _ place: (sequence: UInt64, offset: Int),
        most: Int, visible: Int, until: UInt64, _ spill: inout Spill,
        into buffer: inout OutputSpan<UInt8>
    ) -> (run: Piece.Run, end: Int)? {
        guard let readable = stream.readableEndAlone else { return nil }
        return state.withLock { state in
            guard !state.hasText(place.sequence) else { return nil }
            state.chunks.removeAll()
            let tail = segment.tail
            let schema = stream.schema(of: segment)
            state.renderer.use(schema)
            state.selector.use(schema)
            var (run, offset) = (Piece.Run(count: 0, visible: 0), place.offset)
            let most = min(most, Chunk.mostLines, Int(clamping: readable &- place.sequence))
            while run.count < most, run.visible < visible, spill.isEmpty, buffer.freeCapacity > 0,
                let entry = segment.entry(at: offset, before: tail), !entry.isGap,
                entry.sequence == place.sequence &+ UInt64(run.count), entry.nanoseconds < until
            {
                if state.render(entry, segment, offset, variant) {
                    state.renderer.withLine { spill.put($0, into: &buffer) }
                    run.visible += 1
                } else if variant.counts(entry) {
                    run.filtered += 1
                }
                run.count += 1
                offset &+= EntryHeader.span(Int(entry.length))
            }
            return (run, offset)
        }
    }

    private func add(
        _ state: inout State, _ stream: EventStream, _ segment: Segment, _ sequence: UInt64,
        at index: Int
    ) -> Chunk {
        let (isRetained, backlog, readers) = stream.state.withLock {
            (
                segment.firstSequence >= $0.oldest.nextSequence,
                $0.end.nextSequence &- sequence, $0.readers.count
            )
        }
        // A quiet stream's reader gets a small one.
        let bytes = backlog < 32 ? Chunk.smallTextBytes : Chunk.textBytes
        // A reader alone has no use for what it has read: the same memory again, still cached.
        if readers == 1, isRetained, state.reuseLast(segment, sequence, bytes) {
            return state.chunks[0]
        }
        let chunk = Chunk(segment, first: sequence, textBytes: bytes, budget)
        // The text of an evicted segment would keep its memory: it is for this reader alone.
        guard isRetained else { return chunk }
        state.chunks.insert(chunk, at: min(index, state.chunks.count))
        var held = state.chunks.reduce(0) { $0 + $1.memoryBytes }
        while held > TextBudget.bytesPerRendering || budget.isExceeded {
            let oldest = state.chunks.indices.filter { state.chunks[$0] !== chunk }
                .min { state.chunks[$0].lastUse < state.chunks[$1].lastUse }
            guard let oldest else { break }
            held -= state.chunks.remove(at: oldest).memoryBytes
        }
        return chunk
    }

    /// Renders what readers may read until the chunk is full.
    private func extend(
        _ state: inout State, _ chunk: Chunk, _ stream: EventStream, from offset: Int,
        _ limit: UInt64
    ) {
        let segment = chunk.segment
        let (tail, readable) = (segment.tail, stream.readableEnd)
        var offset = chunk.count == 0 ? offset : chunk.line(chunk.count - 1).entryEnd
        guard offset < tail else { return }
        let schema = stream.schema(of: segment)
        state.renderer.use(schema)
        state.selector.use(schema)
        let empty: [UInt8] = []
        var sequence = chunk.first + UInt64(chunk.count)
        while offset < tail, sequence < readable {
            guard sequence < limit, let entry = segment.entry(at: offset, before: tail),
                !entry.isGap, entry.sequence == sequence
            else {
                chunk.isClosed = true
                return
            }
            let end = offset &+ EntryHeader.span(Int(entry.length))
            let fits: Bool
            if state.render(entry, segment, offset, variant) {
                fits = state.renderer.withLine { chunk.append($0, entryEnd: end) }
            } else {
                fits = chunk.append(empty.span, entryEnd: end, isCounted: variant.counts(entry))
                if fits { chunk.hidden += 1 }
            }
            guard fits else {
                chunk.isClosed = true
                return
            }
            sequence += 1
            offset = end
        }
        if chunk.count == Chunk.mostLines { chunk.isClosed = true }
    }
}

extension Array {
    /// The index of the first element for which `isAfter` holds, where it holds for all behind it.
    fileprivate func partitioningIndex(_ isAfter: (Element) -> Bool) -> Int {
        // Readers that follow are at the end.
        guard let last, !isAfter(last) else {
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) / 2
                if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
            }
            return low
        }
        return count
    }
}
