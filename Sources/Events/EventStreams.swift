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
    let shares = Mutex(StreamShares())
    /// The open rings, by the kernel's id: for who takes one over.
    private let sources = Mutex<[UInt64: any RecordSource]>([:])
    private let keeper = Mutex<Keeper?>(nil)
    /// One stream is opened, closed or removed at a time: what is shared and by whom is looked at
    /// first and changed then.
    private let changing = Mutex(())

    /// Opens what an earlier daemon left in `directory`, which is made where it is not there. One
    /// daemon at a time may use it.
    public init(
        directory: String, limits: JournalLimits, pace: Pace = Pace(),
        resolver: (any ValueResolver)? = nil
    ) throws(JournalError) {
        journal = try Journal(directory, limits, resolver)
        readers = Mutex(Readers())
        do {
            pump = try Pump(journal, pace)
            let keeper = try Keeper { [weak self] now in self?.beat(now) }
            self.keeper.withLock { $0 = keeper }
        } catch {
            throw JournalError(reason: "the threads of the journal cannot start", errno: error)
        }
    }

    /// Starts or goes on with a stream: the pump takes its records from now on, from where the
    /// journal ended for this very ring (records taken but not released are not taken twice).
    ///
    /// A stream that is open already changes to the new ring, after what is in the old one. A ring
    /// that is taken for another stream stays that stream's: both names stand for it.
    /// Blocks for milliseconds.
    /// - Throws: where the stream's directory cannot be made, or epoll refuses the ring.
    public func open(_ key: StreamKey, ring: RingBuffer, _ options: StreamOptions)
        throws(JournalError)
    {
        try open(key, source: RingSource(ring, isQuiet: options.isQuiet), options)
    }

    /// The same for the rings of a perf event array, one a CPU.
    public func open(_ key: StreamKey, perf: PerfRings, _ options: StreamOptions)
        throws(JournalError)
    {
        try open(key, source: PerfSource(perf), options)
    }

    /// The same for any source of records.
    package func open(
        _ key: StreamKey, source: any RecordSource, type: RecordType?,
        lostCounter: (any LostCounter)?
    ) throws(JournalError) {
        let options = StreamOptions(
            schema: type.map { RecordSchema($0) }, lostCounter: lostCounter)
        try open(key, source: source, options)
    }

    package func open(
        _ key: StreamKey, source: any RecordSource, _ options: StreamOptions
    ) throws(JournalError) {
        try changing.withLock { _ throws(JournalError) in try opened(key, source, options) }
    }

    private func opened(
        _ key: StreamKey, _ source: any RecordSource, _ options: StreamOptions
    ) throws(JournalError) {
        let map = source.identity.mapID
        if let left = leaveOther(map, key) {
            // Who still writes into the ring that this program has left goes on under its own name.
            try take(left.owner, left.source, left.options, left.counter)
        }
        let isNew = shares.withLock { $0.byMap[map] == nil }
        let former = isNew ? formerOwner(of: source.identity, but: key) : nil
        let share = shares.withLock { $0.join(map, key, options, owner: former) }
        guard isNew || share.owner == key else {
            setCounts(share)
            guard let stream = journal.streams.first(where: { $0.key == share.owner }) else {
                return
            }
            for subscription in all where subscription.query.selects(key) {
                subscription.join(stream)
            }
            return
        }
        sources.withLock { $0[map] = source }
        try take(share.owner, source, options, share.counter)
    }

    /// The name of the stream that the last daemon took this ring for, where that is another's: its
    /// program is gone, but its stream goes on for those that still write into the ring.
    private func formerOwner(of ring: RingIdentity, but key: StreamKey) -> StreamKey? {
        func wasOpen(_ stream: EventStream) -> Bool {
            !stream.state.withLock { $0.isOpen }
                && OpenMark.read(stream.directory)?.identity == ring
        }
        let streams = journal.streams
        // Mostly it is its own: then the others' directories are not read.
        if streams.contains(where: { $0.key == key && wasOpen($0) }) { return nil }
        return streams.first { wasOpen($0) }?.key
    }

    private func setCounts(_ share: StreamShares.Share) {
        let stream = journal.streams.first { $0.key == share.owner }
        stream?.state.withLock { $0.countsLosses = share.counter.isComplete }
    }

    private func take(
        _ key: StreamKey, _ source: any RecordSource, _ options: StreamOptions,
        _ counter: SharedCounter
    ) throws(JournalError) {
        let stream = try journal.stream(key)
        let isNew = stream.state.withLock { state in
            state.retention = options.retention
            state.rateLimited = options.rateLimited
            state.schema = options.schema
            guard let schema = options.schema else { return false }
            return state.schemas.updateValue(schema, forKey: schema.fingerprint) == nil
        }
        if isNew { stream.renderings.dropAll() }
        if let schema = options.schema { SchemaFile.keep(schema, stream.directory) }
        SchemaFile.prune(stream.directory, keeping: stream.neededSchemas)
        do {
            let counts = counter.isComplete ? counter : nil
            try pump.perform(.open(stream, source, options.schema, counts))
        } catch {
            throw JournalError(
                reason: "the ring \(key.map) of \(key.program) cannot be followed", errno: error)
        }
        for subscription in all where selects(subscription.query, key) {
            subscription.join(stream)
        }
    }

    /// Takes what is in the ring, then stops. Readers that follow only this program get `end` when
    /// none of its streams is open any more. What is retained stays readable. Blocks for
    /// milliseconds; a stream that is not open is left alone, and one that other programs write
    /// into stays open.
    public func close(_ key: StreamKey, reason: EndReason) {
        changing.withLock { _ in closed(key) }
        for subscription in all {
            let query = subscription.query
            if query.program == key.program, query.selects(key) { subscription.finish(reason) }
        }
    }

    private func closed(_ key: StreamKey) {
        let share = shares.withLock { $0.share(of: key) }
        if let share, share.users.count > 1 {
            if let left = shares.withLock({ $0.leave(key) }) { setCounts(left.share) }
        } else {
            // The counter of losses is read for the last time before it is forgotten.
            drain(share?.owner ?? key)
            let left = shares.withLock { $0.leave(key) }
            if let left { sources.withLock { $0[left.map] = nil } }
        }
    }

    /// Takes what is in a stream's ring and lets go of it.
    private func drain(_ key: StreamKey) {
        guard let stream = journal.streams.first(where: { $0.key == key }) else { return }
        do { try pump.perform(.close(stream)) } catch {
            preconditionFailure("close answered \(error)")
        }
    }

    /// Closes all streams of a program, those that it shares with others among them.
    public func close(program: String, reason: EndReason) {
        let shared = shares.withLock { $0.byMap.values.flatMap(\.users) }
        let keys = Set(shared + journal.streams.map(\.key)).filter { $0.program == program }
        for key in keys.sorted() { close(key, reason: reason) }
    }

    /// Removes what is retained of a closed stream, at once: readers find a gap.
    public func purge(_ key: StreamKey) { changing.withLock { _ in purged(key) } }

    private func purged(_ key: StreamKey) {
        guard let stream = journal.streams.first(where: { $0.key == key }),
            !stream.state.withLock({ $0.isOpen })
        else { return }
        do { try pump.perform(.evict(stream)) } catch {
            preconditionFailure("evict answered \(error)")
        }
        journal.remove(stream)
    }

    func selects(_ query: StreamQuery, _ key: StreamKey) -> Bool {
        shares.withLock { $0.selects(query, key) }
    }

    /// A reader of all streams that the query selects, also of those that come later.
    public func subscribe(_ query: StreamQuery) throws(SubscribeError) -> Subscription {
        let start = try start(of: query)
        let streams = journal.streams.filter { selects(query, $0.key) }
        let query = try prepared(query, streams)
        let places = streams.map { Place($0, start($0.number), query) }
        let (subscription, isStopped) = readers.withLock { readers in
            let subscription = Subscription(readers.nextID, query, self, places)
            readers.nextID += 1
            readers.subscriptions[subscription.id] = subscription
            return (subscription, readers.isStopped)
        }
        for stream in streams { subscription.enter(stream) }
        // One that was opened while the places were made.
        for stream in journal.streams.filter({ selects(query, $0.key) })
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
        // Rings and pipes are closed with their last holder.
        sources.withLock { $0 = [:] }
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

    /// How many readers there are.
    public var readerCount: Int { readers.withLock { $0.subscriptions.count } }

    var all: [Subscription] { readers.withLock { Array($0.subscriptions.values) } }

    func remove(_ subscription: Subscription) {
        readers.withLock { _ = $0.subscriptions.removeValue(forKey: subscription.id) }
    }

    /// Whether a stream that the query selects takes records.
    func isOpen(_ query: StreamQuery) -> Bool {
        journal.streams.contains { stream in
            selects(query, stream.key) && stream.state.withLock { $0.isOpen }
        }
    }

    /// Where `key` was taken for another ring that others still write into (its own program may be
    /// gone since, and another of its name have come): who they are now, and
    /// what they are taken with. The old stream is drained.
    private func leaveOther(_ map: UInt64, _ key: StreamKey)
        -> (
            owner: StreamKey, source: any RecordSource, options: StreamOptions,
            counter: SharedCounter
        )?
    {
        let present = shares.withLock { shares in
            shares.byMap.first { $0.value.users.contains(key) || $0.value.owner == key }
        }
        guard let present, present.key != map else { return nil }
        if present.value.owner == key { drain(key) }
        let left = shares.withLock { $0.leave(key) } ?? (map: present.key, share: present.value)
        let source = sources.withLock { $0[left.map] }
        guard left.share.owner == key, let heir = left.share.users.min(), let source else {
            if left.share.users.isEmpty { sources.withLock { $0[left.map] = nil } }
            return nil
        }
        shares.withLock { $0.rename(left.map, heir) }
        return (heir, source, left.share.options, left.share.counter)
    }

    private func beat(_ now: UInt64) -> UInt64? {
        all.map { $0.beat(now: now) }.min().flatMap { $0 == .max ? nil : $0 }
    }
}
