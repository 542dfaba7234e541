internal import Linux
internal import Synchronization

/// How the pump trades latency for batches.
public struct Pace: Sendable {
    /// A batch is full: so many records of one ring are taken before the others have their turn.
    /// 4096; from 1 to 1,048,576.
    public var batchRecords = 4096
    /// A batch's deadline: within a burst records are left to gather for this long, so that there
    /// are fewer and larger batches; the first record after a silence is taken at once. 500 us; 0
    /// takes each as it comes.
    public var batchNanoseconds: UInt64 = 500_000

    public init() {}

    /// A round that begins less than this after the last one is part of a burst.
    static let burstNanoseconds: UInt64 = 1_000_000
    /// Between two looks into rings whose programs do not wake anybody: while records come, and
    /// while none does.
    static let quietNanoseconds: UInt64 = 5_000_000
    static let quietIdleNanoseconds: UInt64 = 50_000_000
    /// After so many looks in vain the longer one.
    static let quietLooks = 100
    /// They are left to gather only while a round takes less than this part of the ring.
    static let lingerRingShare: UInt64 = 8
    /// The longest wait for a record in the making.
    static let unfinishedNanoseconds: UInt64 = 500_000
    /// Between two looks at a program's counter of lost records.
    static let counterNanoseconds: UInt64 = 100_000_000
}

/// The thread that takes records from all rings and writes the journal: no other thread does.
final class Pump: Sendable {
    enum Change: Sendable {
        case open(EventStream, any RecordSource, RecordSchema?, (any LostCounter)?)
        case evict(EventStream)
        case close(EventStream)
        /// Only to hear that the pump is alive.
        case nothing
        case stop
    }
    private struct Mail {
        var changes: [Change] = []
        var answer: Errno?
        var isStopped = false
    }

    private let journal: Journal
    private let pace: Pace
    private let poller: Poller
    private let wakeup: Wakeup
    private let mail = Mutex(Mail())
    /// One change at a time: held by who waits for the pump's answer.
    private let turn = Mutex(())
    private let answered: Wakeup
    private let answers: Poller
    private let thread = Mutex<NamedThread?>(nil)

    init(_ journal: Journal, _ pace: Pace) throws(Errno) {
        self.journal = journal
        self.pace = pace
        poller = try Poller()
        wakeup = try Wakeup()
        answered = try Wakeup()
        answers = try Poller()
        try poller.add(wakeup.raw, tag: 0)
        try answers.add(answered.raw, tag: 0)
        let thread = try NamedThread("pump") { [self] in run() }
        self.thread.withLock { $0 = thread }
    }

    /// Has the pump make a change and waits until it did. After `stop` nothing happens.
    func perform(_ change: Change) throws(Errno) {
        let failure = turn.withLock { _ -> Errno? in
            let isStopped = mail.withLock { mail in
                if !mail.isStopped { mail.changes.append(change) }
                return mail.isStopped
            }
            if isStopped { return nil }
            wakeup.signal()
            // An interrupted wait is no answer; any other failure is of our own making.
            while (try? answers.wait(timeoutMilliseconds: -1))?.isEmpty != false {}
            answered.clear()
            return mail.withLock { $0.answer }
        }
        if let failure { throw failure }
    }

    /// Ends the thread: positions are written, nothing more is taken.
    func stop() {
        do { try perform(.stop) } catch { preconditionFailure("stop answered \(error)") }
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func run() {
        var rounds = PumpRounds(journal, poller, pace)
        var ready: [UInt64] = []
        while true {
            do {
                try poller.wait(timeoutMilliseconds: rounds.timeoutMilliseconds(), into: &ready)
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
            if ready.contains(0) {
                wakeup.clear()
                if !apply(&rounds) { return }
            }
            rounds.run(&ready)
        }
    }

    /// False when it is time to stop.
    private func apply(_ rounds: inout PumpRounds) -> Bool {
        let changes = mail.withLock { mail in
            defer { mail.changes = [] }
            return mail.changes
        }
        var goesOn = true
        for change in changes {
            var failure: Errno?
            switch change {
            case .open(let stream, let source, let schema, let counter):
                do { try rounds.open(stream, source, schema, counter) } catch { failure = error }
            case .close(let stream): rounds.close(stream)
            case .evict(let stream):
                while stream.state.withLock({ !$0.segments.isEmpty }) { stream.evictOldest() }
            case .nothing: break
            case .stop:
                rounds.stop()
                goesOn = false
            }
            mail.withLock {
                $0.answer = failure
                if !goesOn { $0.isStopped = true }
            }
            answered.signal()
        }
        return goesOn
    }
}

/// What the pump's thread keeps between two waits.
private struct PumpRounds {
    private let journal: Journal
    private let poller: Poller
    private let pace: Pace
    /// Sources that are to be asked again without being readable.
    private var unfinished: Set<UInt64> = []
    /// Looks in vain into the quiet rings; nil where there is none.
    private var quietLooks: Int?
    private var writers: [UInt64: StreamWriter] = [:]
    private var lastRoundNanoseconds: UInt64 = 0
    private var lastLookNanoseconds: UInt64 = 0
    private var emptyRounds: UInt64 = 0
    private var nextExpiry: UInt64? = 0

    init(_ journal: Journal, _ poller: Poller, _ pace: Pace) {
        self.journal = journal
        self.poller = poller
        self.pace = pace
    }

    /// Until a quiet ring is looked into, a stale counter is read, or a segment is too old; else
    /// for ever.
    func timeoutMilliseconds() -> Int32 {
        if !unfinished.isEmpty { return 0 }
        if let quietLooks {
            let isIdle = quietLooks > Pace.quietLooks
            let wait = isIdle ? Pace.quietIdleNanoseconds : Pace.quietNanoseconds
            return Int32(wait / 1_000_000)
        }
        if writers.values.contains(where: { $0.isCounterStale }) {
            return Int32(Pace.counterNanoseconds / 1_000_000)
        }
        guard let nextExpiry else { return -1 }
        let now = Clock.realtimeNanoseconds()
        guard nextExpiry > now else { return 0 }
        return Int32(min((nextExpiry - now) / 1_000_000 + 1, 60_000))
    }

    mutating func open(
        _ stream: EventStream, _ source: any RecordSource, _ schema: RecordSchema?,
        _ lostCounter: (any LostCounter)?
    ) throws(Errno) {
        close(stream)
        try poller.add(source.pollDescriptor, tag: stream.number)
        let left = OpenMark.read(stream.directory)
        let writer = StreamWriter(stream, source, journal, schema, lostCounter, left: left)
        writers[stream.number] = writer
        unfinished.remove(stream.number)
        countQuiet()
        stream.state.withLock {
            $0.isOpen = true
            $0.countsLosses = lostCounter != nil || source.lostRecords != nil
        }
        if left != nil {
            wake(writer.lookForLosses(now: Clock.monotonicNanoseconds(), force: true))
        }
        OpenMark(identity: source.identity).write(stream.directory)
    }

    /// Takes what is in the ring, then lets go of it.
    mutating func close(_ stream: EventStream) {
        guard let writer = writers.removeValue(forKey: stream.number) else { return }
        empty(writer)
        OpenMark.remove(stream.directory)
        // It is in there as long as the source lives: `open` added it.
        try? poller.remove(writer.source.pollDescriptor)
        unfinished.remove(stream.number)
        countQuiet()
        stream.state.withLock { $0.isOpen = false }
    }

    private func empty(_ writer: StreamWriter) {
        while true {
            let drained = writer.drain(limit: pace.batchRecords, isLast: true)
            wake(drained.waiting)
            if drained.records == 0 { break }
        }
        wake(writer.lookForLosses(now: Clock.monotonicNanoseconds(), isLast: true))
    }

    /// What lies in the kernel's own rings waits there for the next daemon; what does not outlive
    /// this one is taken now.
    mutating func stop() {
        for writer in writers.values {
            if writer.source.isVolatile {
                writer.source.cutOff()
                empty(writer)
                OpenMark(identity: writer.source.identity, isEmptied: true)
                    .write(writer.stream.directory)
            }
            // The descriptors die with their rings.
            try? poller.remove(writer.source.pollDescriptor)
        }
        writers = [:]
    }

    private mutating func countQuiet() {
        quietLooks = writers.values.contains { $0.source.isQuiet } ? 0 : nil
    }

    /// - Parameter ready: gets those added that are to be looked into unasked.
    mutating func run(_ ready: inout [UInt64]) {
        for tag in unfinished where !ready.contains(tag) { ready.append(tag) }
        unfinished.removeAll(keepingCapacity: true)
        if quietLooks != nil {
            for (tag, writer) in writers where writer.source.isQuiet && !ready.contains(tag) {
                ready.append(tag)
            }
        }
        takeRound(ready)
    }

    private mutating func takeRound(_ ready: [UInt64]) {
        let start = Clock.monotonicNanoseconds()
        var (records, mayLinger) = (0, true)
        for tag in ready {
            guard let writer = writers[tag] else { continue }
            let drained = writer.drain(limit: pace.batchRecords)
            records += drained.records
            let share = UInt64(writer.source.dataBytes) / Pace.lingerRingShare
            if drained.bytes > share || drained.records >= pace.batchRecords {
                mayLinger = false
            }
            wake(drained.waiting)
            if writer.source.hasMore { unfinished.insert(tag) }
            let hasLosses = writer.source.hasFreshLosses
            if drained.records > 0 || hasLosses {
                wake(writer.lookForLosses(now: start, force: hasLosses))
            }
        }
        if quietLooks != nil { quietLooks = records == 0 ? (quietLooks ?? 0) + 1 : 0 }
        if records == 0 {
            lookAround(start)
            if quietLooks == nil, ready.contains(where: { $0 != 0 }) { waitForUnfinished() }
            return
        }
        emptyRounds = 0
        if nextExpiry == nil { nextExpiry = 0 }
        if start - lastLookNanoseconds > Pace.counterNanoseconds * 10 { lookAround(start) }
        let isBurst = start - lastRoundNanoseconds < Pace.burstNanoseconds
        if isBurst && mayLinger { Clock.sleep(nanoseconds: pace.batchNanoseconds) }
        lastRoundNanoseconds = Clock.monotonicNanoseconds()
    }

    /// A record in the making, or those that a flood holds back, keep their ring readable: give the
    /// program, or the reader, a moment.
    private mutating func waitForUnfinished() {
        emptyRounds = min(emptyRounds + 1, 10)
        Clock.sleep(nanoseconds: min(1000 << emptyRounds, Pace.unfinishedNanoseconds))
    }

    /// When nothing came for a while, and once a second.
    private mutating func lookAround(_ now: UInt64) {
        lastLookNanoseconds = now
        for writer in writers.values where writer.isCounterStale {
            wake(writer.lookForLosses(now: now))
        }
        let wall = Clock.realtimeNanoseconds()
        if let nextExpiry, nextExpiry <= wall { self.nextExpiry = journal.evictExpired(now: wall) }
    }

    private func wake(_ waiting: [UInt64: Subscription]) {
        for subscription in waiting.values { subscription.wakeUp() }
    }
}
