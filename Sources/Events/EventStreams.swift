public import BPF
internal import Linux
internal import Synchronization

/// The journal of all streams, the pump that fills it and the readers that empty it.
///
/// Two threads: `pump` (rings to journal) and `keeper` (heartbeats); both sleep when there is
/// nothing. `stop` ends them; an object that is dropped without it keeps them.
public final class EventStreams: Sendable {
    private struct Readers {
        var subscriptions: [UInt64: Subscription] = [:]
        var nextID: UInt64 = 1
        var isStopped = false
    }

    let journal: Journal
    private let pump: Pump
    private let readers: Mutex<Readers>
    private let keeper = Mutex<Keeper?>(nil)

    /// Opens what an earlier daemon left in `directory`, which is made where it is not there. One
    /// daemon at a time may use it.
    public init(directory: String, limits: JournalLimits) throws(JournalError) {
        journal = try Journal(directory, limits)
        readers = Mutex(Readers())
        do {
            pump = try Pump(journal)
            let keeper = try Keeper { [weak self] now in self?.beat(now) }
            self.keeper.withLock { $0 = keeper }
        } catch {
            throw JournalError(reason: "the threads of the journal cannot start", errno: error)
        }
    }

    /// Starts or goes on with a stream: the pump takes its records from now on, from where the
    /// journal ended for this very ring (records taken but not released are not taken twice).
    ///
    /// A stream that is open already changes to the new ring, after what is in the old one.
    /// Blocks for milliseconds.
    /// - Throws: where the stream's directory cannot be made, or epoll refuses the ring.
    public func open(
        _ key: StreamKey, ring: RingBuffer, type: RecordType?, lostCounter: (any LostCounter)?
    ) throws(JournalError) {
        try open(key, source: RingSource(ring), type: type, lostCounter: lostCounter)
    }

    /// The same for any source of records.
    package func open(
        _ key: StreamKey, source: any RecordSource, type: RecordType?,
        lostCounter: (any LostCounter)?
    ) throws(JournalError) {
        let stream = try journal.stream(key)
        if let type {
            let isNew = stream.state.withLock {
                $0.types.updateValue(type, forKey: type.fingerprint) == nil
            }
            if isNew { stream.renderings.dropAll() }
        }
        do {
            try pump.perform(.open(stream, source, type, lostCounter))
        } catch {
            throw JournalError(
                reason: "the ring \(key.map) of \(key.program) cannot be followed", errno: error)
        }
        for subscription in all where subscription.query.selects(key) { subscription.join(stream) }
    }

    /// Takes what is in the ring, then stops. Readers that follow only this program get `end` when
    /// none of its streams is open any more. What is retained stays readable. Blocks for
    /// milliseconds; a stream that is not open is left alone.
    public func close(_ key: StreamKey, reason: EndReason) {
        guard let stream = journal.streams.first(where: { $0.key == key }) else { return }
        do {
            try pump.perform(.close(stream))
        } catch {
            preconditionFailure("close answered \(error)")
        }
        for subscription in all {
            let query = subscription.query
            if query.program == key.program, query.selects(key) { subscription.finish(reason) }
        }
    }

    /// A reader of all streams that the query selects, also of those that come later.
    public func subscribe(_ query: StreamQuery) throws(SubscribeError) -> Subscription {
        let start = try start(of: query)
        let streams = journal.streams.filter { query.selects($0.key) }
        let places = streams.map { Place($0, start($0.number), query) }
        let (subscription, isStopped) = readers.withLock { readers in
            let subscription = Subscription(readers.nextID, query, self, places)
            readers.nextID += 1
            readers.subscriptions[subscription.id] = subscription
            return (subscription, readers.isStopped)
        }
        for stream in streams { subscription.enter(stream) }
        // One that was opened while the places were made.
        for stream in journal.streams.filter({ query.selects($0.key) })
        where !streams.contains(where: { $0 === stream }) {
            subscription.join(stream)
        }
        if isStopped { subscription.shutDown() }
        keeper.withLock { $0?.look() }
        return subscription
    }

    /// Returns once the pump and the keeper have both gone around: for a watchdog. Blocks for ever
    /// where one of them does.
    public func waitForThreads() {
        do { try pump.perform(.nothing) } catch { preconditionFailure("nothing was \(error)") }
        keeper.withLock { $0 }?.waitForRound()
    }

    /// Every reader gets `end` with reason `shutdown`; the pump stops; positions are written.
    public func stop() {
        pump.stop()
        let subscriptions = readers.withLock { readers in
            readers.isStopped = true
            return Array(readers.subscriptions.values)
        }
        for subscription in subscriptions { subscription.shutDown() }
        let keeper = keeper.withLock { keeper in
            defer { keeper = nil }
            return keeper
        }
        keeper?.stop()
    }

    private var all: [Subscription] { readers.withLock { Array($0.subscriptions.values) } }

    func remove(_ subscription: Subscription) {
        readers.withLock { _ = $0.subscriptions.removeValue(forKey: subscription.id) }
    }

    /// Whether a stream that the query selects takes records.
    func isOpen(_ query: StreamQuery) -> Bool {
        journal.streams.contains { stream in
            query.selects(stream.key) && stream.state.withLock { $0.isOpen }
        }
    }

    private func beat(_ now: UInt64) -> UInt64? {
        all.map { $0.beat(now: now) }.min().flatMap { $0 == .max ? nil : $0 }
    }
}

// MARK: - Cursors

extension EventStreams {
    /// Where the query begins in a stream of this number.
    private func start(of query: StreamQuery) throws(SubscribeError)
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
            throw .invalidCursor("is not a cursor of this service")
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

// MARK: - Ledger

extension EventStreams {
    /// How many readers there are.
    public var readerCount: Int { readers.withLock { $0.subscriptions.count } }

    /// What became of every record, for each stream that is open or still retained, by name.
    /// - Parameter withReaders: false leaves the readers out, whose number has no bound here.
    public func ledger(withReaders: Bool = true) -> [StreamLedger] {
        var readers: [UInt64: [StreamLedger.Reader]] = [:]
        for subscription in withReaders ? all : [] {
            for (stream, _, reader) in subscription.ledgers() {
                readers[stream, default: []].append(reader)
            }
        }
        return journal.streams.sorted { $0.key < $1.key }.map { stream in
            let entries = readers[stream.number] ?? []
            return stream.ledger(entries.sorted { $0.id < $1.id })
        }
    }
}

extension EventStream {
    fileprivate func ledger(_ readers: [StreamLedger.Reader]) -> StreamLedger {
        state.withLock { state in
            let end = state.end
            let received = end.records + end.invalidRecords
            var invalid: [String: UInt64] = [:]
            for reason in InvalidReason.allCases where end.invalid[Int(reason.rawValue)] > 0 {
                invalid[reason.name] = end.invalid[Int(reason.rawValue)]
            }
            let counts = state.countsLosses
            return StreamLedger(
                key: key, isOpen: state.isOpen,
                produced: counts ? received + end.lostInKernel + end.lostInJournal : nil,
                received: received, invalid: invalid, journaled: end.records,
                evicted: state.oldest.records, lostInKernel: counts ? end.lostInKernel : nil,
                lostInJournal: end.lostInJournal, oldestSequence: state.oldest.nextSequence,
                nextSequence: end.nextSequence, retainedBytes: state.retainedBytes,
                readers: readers)
        }
    }
}
