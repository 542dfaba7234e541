extension EventStreams {
    /// Where the query begins in a stream of this number.
    func start(of query: StreamQuery) throws(SubscribeError)
        -> (_ stream: UInt64) -> Place.Start
    {
        switch query.since {
        case .oldest: return { _ in .oldest }
        case .now: return { _ in .now }
        case .cursor(let text):
            let cursor = try cursor(text)
            let places = Dictionary(
                uniqueKeysWithValues: cursor.places.map { ($0.stream, $0.sequence) })
            // A stream that the cursor does not name came later: nothing of it was given.
            return { .after(places[$0] ?? 0) }
        }
    }

    private func cursor(_ text: String) throws(SubscribeError) -> Cursor {
        guard let cursor = Cursor(parsing: text) else {
            throw .invalidCursor("is not a cursor")
        }
        guard cursor.journal == journal.id else {
            throw .invalidCursor("belongs to another journal, of another host or an earlier boot")
        }
        let streams = journal.streams
        for place in cursor.places {
            guard place.stream < journal.nextNumber else {
                throw .invalidCursor("names stream \(place.stream), which never was")
            }
            guard let stream = streams.first(where: { $0.number == place.stream }) else { continue }
            let next = stream.state.withLock { $0.end.nextSequence }
            guard place.sequence < next else {
                throw .invalidCursor(
                    "is at record \(place.sequence), the stream ends before \(next)")
            }
        }
        return cursor
    }
}
