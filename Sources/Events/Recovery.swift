internal import Linux

/// What an earlier daemon left of a stream.
enum Recovery {
    /// Reads a stream's directory; `nil` where there is no stream in it.
    ///
    /// Only the last segment is walked: that gives the counts up to its committed tail. The others
    /// end where the next one begins; what is damaged in them is found when it is read.
    static func stream(
        _ directory: String, number: UInt64, journal: JournalContext
    ) -> EventStream? {
        guard let meta = StreamMeta.read(directory) else { return nil }
        var state = EventStream.State()
        state.end = meta.end
        state.mark = meta.mark
        state.segments = segments(directory, number)
        state.schemas = SchemaFile.all(directory)
        if let last = state.segments.last { walk(last, &state) }
        return EventStream(
            meta.key, number: number, directory: directory, journal: journal, state)
    }

    private static func segments(_ directory: String, _ number: UInt64) -> [Segment] {
        var found: [Segment] = []
        // A directory that cannot be listed has no segments for us; its meta file keeps the counts.
        for name in (try? FileSystem.list(directory)) ?? [] where name.hasSuffix(".segment") {
            let path = directory + "/" + name
            // Unreadable is as good as unfinished: it is removed, so that its name is free.
            if let segment = try? Segment(opening: path, stream: number),
                name == fileName(segment.firstSequence),
                segment.firstSequence > found.last?.firstSequence ?? 0
            {
                found.append(segment)
            } else {
                try? FileSystem.unlink(path)
            }
        }
        return found
    }

    static func fileName(_ sequence: UInt64) -> String {
        let digits = String(sequence)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".segment"
    }

    /// Takes counts and ring position from the last segment's entries.
    private static func walk(_ segment: Segment, _ state: inout EventStream.State) {
        state.end = segment.header.before
        state.mark = segment.header.mark
        state.lastNanoseconds = segment.header.createdNanoseconds
        let tail = segment.tail
        var offset = SegmentHeader.byteCount
        while offset < tail {
            var end = state.end
            let entry = segment.entry(at: offset, before: tail)
            let gap = entry?.isGap == true ? segment.gap(at: offset) : nil
            if let entry { end.count(entry, lost: gap?.lost ?? 0) }
            guard let entry, entry.sequence == state.end.nextSequence, end.isPlausible else {
                // Damaged (no power): what follows cannot be told from older bytes.
                segment.commit(offset)
                return
            }
            if let gap, entry.flags & EntryHeader.journalGap == 0 {
                state.mark.lostCounter = gap.counter
            }
            state.end = end
            state.mark.position = entry.position
            state.lastNanoseconds = entry.nanoseconds
            offset += EntryHeader.span(Int(entry.length))
            state.endOffset = offset
        }
    }
}
