internal import CMicrohttpd
internal import Glibc
internal import Linux
internal import Synchronization

/// The thread that looks after what libmicrohttpd does not: absolute deadlines, clients that hang
/// up while their stream waits, streams of which nobody takes a byte, and refused uploads that
/// are still being sent. Wakes once a second while there are connections, else not at all.
final class Watch: Sendable {
    struct Deadlines {
        var headSeconds: UInt64
        var bodySeconds: UInt64
        /// Between requests, whatever trickles in.
        var idleSeconds: UInt64
        var stallSeconds: UInt64
    }

    /// A refused upload's socket after its connection: read and thrown away, so that the client
    /// gets the answer and not a reset (RFC 9112, 9.6).
    private struct Lingering {
        var room: Int
        var until: UInt64
    }

    private struct Stream {
        let pump: StreamPump
        let descriptor: Int32
        var produced: UInt64 = 0
        var unsent: Int32 = 0
        var since: UInt64
        var wasTold = false
    }

    private struct State {
        var connections: [ObjectIdentifier: Connection] = [:]
        var streams: [UInt64: Stream] = [:]
        var lingering: [Int32: Lingering] = [:]
        var lastStream: UInt64 = 0
        /// The most connections since memory was given back.
        var peak = 0
        var isStopped = false
    }

    static let lingeringLimit = 64
    /// So many closed connections are worth giving their memory back: about 12 MiB.
    private static let trimmedConnections = 512
    private static let lingeringBytes = 4 << 20
    private static let lingeringSeconds: UInt64 = 3
    // epoll tags: a stream's number, a lingering descriptor with this bit, or the wake-up.
    private static let lingeringBit: UInt64 = 1 << 63
    private static let wakeupTag = UInt64.max

    private let deadlines: Deadlines
    private let statistics: ServerStatistics
    private let epoll: FileDescriptor
    private let wakeup: Wakeup
    private let state = Mutex(State())
    /// The second of the last look at all deadlines.
    private let swept = Atomic<UInt64>(0)
    private let thread = Mutex<NamedThread?>(nil)

    init(_ deadlines: Deadlines, _ statistics: ServerStatistics) throws(Errno) {
        self.deadlines = deadlines
        self.statistics = statistics
        epoll = FileDescriptor(owning: try check(epoll_create1(Int32(EPOLL_CLOEXEC))))
        wakeup = try Wakeup()
        try add(wakeup.raw, EPOLLIN.rawValue, tag: Self.wakeupTag)
        let thread = try NamedThread("http-watch") { [weak self] in self?.run() }
        self.thread.withLock { $0 = thread }
    }

    /// The second that it is. Read anew each time: this thread sleeps while nobody is connected,
    /// and a time that it kept would be the one of the last connection.
    var second: UInt64 { Clock.coarseMonotonicSeconds() }

    /// Whether it should have looked at the clock and did not: it does each second while there are
    /// connections.
    func isLate() -> Bool {
        func looks() -> Bool {
            let isNeeded = state.withLock { !$0.connections.isEmpty && !$0.isStopped }
            return isNeeded && second > swept.load(ordering: .relaxed) + 30
        }
        guard looks() else { return false }
        // One that slept well until a moment ago, because nobody was connected.
        for _ in 0..<300 {
            Clock.sleep(nanoseconds: 10_000_000)
            if !looks() { return false }
        }
        return true
    }

    func add(_ connection: Connection) {
        let isFirst = state.withLock { state in
            state.connections[ObjectIdentifier(connection)] = connection
            return state.connections.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    /// To be called before the descriptor is closed.
    func remove(_ connection: Connection) {
        state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
    }

    /// Ends `pump` when the client hangs up or takes nothing for `stallSeconds`.
    /// - Returns: for `removeStream`, before the descriptor is closed.
    func addStream(_ pump: StreamPump, descriptor: Int32) -> UInt64 {
        state.withLock { state in
            state.lastStream += 1
            state.streams[state.lastStream] = Stream(
                pump: pump, descriptor: descriptor, since: second)
            // Without the hangup the stream is still found by its heartbeats.
            try? add(descriptor, EPOLLRDHUP.rawValue, tag: state.lastStream)
            return state.lastStream
        }
    }

    func removeStream(_ number: UInt64) {
        state.withLock { state in
            guard let stream = state.streams.removeValue(forKey: number) else { return }
            drop(stream.descriptor)
        }
    }

    /// Reads what comes, up to a limit, and then closes `descriptor`, which is taken over.
    func linger(_ descriptor: consuming FileDescriptor) {
        let raw = descriptor.release()
        let isTaken = state.withLock { state in
            guard state.lingering.count < Self.lingeringLimit, !state.isStopped else {
                return false
            }
            do {
                try add(raw, EPOLLIN.rawValue, tag: UInt64(UInt32(raw)) | Self.lingeringBit)
            } catch { return false }
            state.lingering[raw] = Lingering(
                room: Self.lingeringBytes, until: second + Self.lingeringSeconds)
            return true
        }
        if isTaken { wakeup.signal() } else { close(raw) }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wakeup.signal()
        thread.withLock { $0?.join() }
        state.withLock { state in
            for descriptor in state.lingering.keys { close(descriptor) }
            state.lingering = [:]
        }
    }

    private func add(_ descriptor: Int32, _ events: UInt32, tag: UInt64) throws(Errno) {
        var event = unsafe epoll_event(events: events, data: epoll_data_t(u64: tag))
        try check(unsafe epoll_ctl(epoll.raw, EPOLL_CTL_ADD, descriptor, &event))
    }

    private func drop(_ descriptor: Int32) {
        _ = epoll_ctl(epoll.raw, EPOLL_CTL_DEL, descriptor, nil)
    }

    private func run() {
        var events = unsafe [epoll_event](repeating: epoll_event(), count: 64)
        var isBusy = false
        while true {
            let count = unsafe epoll_wait(epoll.raw, &events, 64, isBusy ? 1000 : -1)
            let now = second
            let isNewSecond = swept.exchange(now, ordering: .relaxed) != now
            let tags = unsafe events.prefix(Int(max(0, count))).map { unsafe $0.data.u64 }
            var (ended, stalled): ([StreamPump], [StreamPump]) = ([], [])
            var trims = false
            let goesOn = state.withLock { state in
                for tag in tags { handle(tag, &state, &ended) }
                if isNewSecond {
                    sweep(now, &state, &ended, &stalled)
                    trims = Self.isWorthTrimming(&state)
                }
                isBusy = !state.connections.isEmpty || !state.lingering.isEmpty
                return !state.isStopped
            }
            for pump in ended { pump.suspension.end() }
            for pump in stalled { pump.stalled() }
            // Connections have 32 KiB each in the heap, which keeps them to the end otherwise.
            if trims { malloc_trim(0) }
            if !goesOn { return }
        }
    }

    private func handle(_ tag: UInt64, _ state: inout State, _ ended: inout [StreamPump]) {
        if tag == Self.wakeupTag { return wakeup.clear() }
        if tag & Self.lingeringBit != 0 {
            return drain(Int32(truncatingIfNeeded: tag), &state)
        }
        guard let stream = state.streams[tag] else { return }
        // The hangup stays readable: it is taken out, and removeStream's second time is harmless.
        drop(stream.descriptor)
        ended.append(stream.pump)
    }

    private func drain(_ descriptor: Int32, _ state: inout State) {
        guard var lingering = state.lingering[descriptor] else { return }
        let got = unsafe withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 8) { room in
            // SAFETY: the buffer is ours for this closure and its size is given.
            unsafe recv(descriptor, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
        }
        lingering.room -= max(0, got)
        if got == 0 || lingering.room <= 0 || (got < 0 && errno != EAGAIN) {
            state.lingering[descriptor] = nil
            close(descriptor)
        } else {
            state.lingering[descriptor] = lingering
        }
    }

    private func sweep(
        _ now: UInt64, _ state: inout State, _ ended: inout [StreamPump],
        _ stalled: inout [StreamPump]
    ) {
        for connection in state.connections.values {
            let (phase, since) = connection.phase
            let limit: UInt64
            switch phase {
            case .idle: limit = deadlines.idleSeconds
            case .head: limit = deadlines.headSeconds
            case .body: limit = deadlines.bodySeconds
            case .answer: continue
            }
            // libmicrohttpd sees the end of the socket and closes the connection.
            if now > since + limit && shutdown(connection.descriptor, Int32(SHUT_RDWR)) == 0 {
                statistics.connectionExpired()
            }
        }
        for number in Array(state.streams.keys) { look(at: number, now, &state, &ended, &stalled) }
        for (descriptor, lingering) in state.lingering where now > lingering.until {
            state.lingering[descriptor] = nil
            close(descriptor)
        }
    }

    private static func isWorthTrimming(_ state: inout State) -> Bool {
        state.peak = max(state.peak, state.connections.count)
        guard state.peak - state.connections.count >= trimmedConnections else { return false }
        state.peak = state.connections.count
        return true
    }

    /// Ends a stream of which the client acknowledged nothing since `stallSeconds`.
    private func look(
        at number: UInt64, _ now: UInt64, _ state: inout State, _ ended: inout [StreamPump],
        _ stalled: inout [StreamPump]
    ) {
        guard var stream = state.streams[number] else { return }
        let produced = stream.pump.produced
        let unsent = apiary_unsent_bytes(stream.descriptor)
        if unsent <= 0 || produced != stream.produced || unsent != stream.unsent {
            stream.produced = produced
            stream.unsent = unsent
            stream.since = now
            state.streams[number] = stream
        } else if now > stream.since + deadlines.stallSeconds {
            if stream.pump.handlesStalls, !stream.wasTold {
                stream.wasTold = true
                stream.since = now
                state.streams[number] = stream
                return stalled.append(stream.pump)
            }
            shutdown(stream.descriptor, Int32(SHUT_RDWR))
            statistics.connectionExpired()
            ended.append(stream.pump)
        }
    }
}
