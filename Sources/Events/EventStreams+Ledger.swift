internal import Synchronization

extension EventStreams {
    /// What became of every record, for each stream that is open or still retained, by name. All
    /// of a stream's numbers are of one moment: they balance. For `GET /v1/events/ledger`, and for
    /// whoever counts: cheap enough to be asked every second.
    /// - Parameter withReaders: false leaves the readers out, whose number has no bound here.
    public func ledger(withReaders: Bool = true) -> [StreamLedger] {
        // Readers first: whatever they have come to, the stream's end, read after, is not before.
        var places: [UInt64: [(id: UInt64, place: Place)]] = [:]
        for subscription in withReaders ? all : [] {
            for place in subscription.places() {
                places[place.stream.number, default: []].append((subscription.id, place))
            }
        }
        return journal.streams.sorted { $0.key < $1.key }.map { stream in
            let others = shares.withLock { $0.others(of: stream.key) }
            return stream.ledger(
                (places[stream.number] ?? []).sorted { $0.id < $1.id }, sharedWith: others)
        }
    }

    /// Names of the streams that there are, those that stand for another program's among them.
    public func keys(of program: String) -> [StreamKey] {
        var query = StreamQuery()
        query.program = program
        return journal.streams.map(\.key).filter { selects(query, $0) }
    }
}

extension EventStream {
    fileprivate func ledger(
        _ readers: [(id: UInt64, place: Place)], sharedWith: [StreamKey]
    ) -> StreamLedger {
        let rateLimited = state.withLock { $0.rateLimited }?.lostRecords()
        return state.withLock { state in
            let end = state.end
            let received = end.received
            var invalid: [String: UInt64] = [:]
            for reason in InvalidReason.allCases where end.invalid[Int(reason.rawValue)] > 0 {
                invalid[reason.name] = end.invalid[Int(reason.rawValue)]
            }
            // What nobody knows once nobody knows from then on.
            let counts = state.countsLosses && end.unknownGaps == 0
            return StreamLedger(
                key: key, isOpen: state.isOpen,
                produced: counts ? received + end.lostInKernel + end.lostInJournal : nil,
                received: received, invalid: invalid, journaled: end.records,
                evicted: state.oldest.records, lostInKernel: counts ? end.lostInKernel : nil,
                unknownGaps: end.unknownGaps, rateLimited: rateLimited,
                lostInJournal: end.lostInJournal,
                oldestSequence: state.oldest.nextSequence, nextSequence: end.nextSequence,
                retainedBytes: state.retainedBytes, sharedWith: sharedWith,
                readers: readers.map { $0.place.ledger($0.id, end) })
        }
    }
}
