internal import Glibc
internal import Linux
internal import Synchronization

/// The running server: a libmicrohttpd daemon for each listener, the workers and the watch.
///
/// Threads: `MHD-worker` (2, TCP) or `MHD-single` (Unix socket) parse, run quick handlers and send;
/// `http-worker-N` and `http-load-N` run the other handlers; `http-watch` keeps deadlines.
public final class Server: Sendable {
    private let core: Core
    /// Empty once the server was stopped.
    private let daemons: Mutex<[Daemon]>
    /// The TCP port in use (for port 0), in the listeners' order; nil for Unix.
    public let ports: [UInt16?]

    /// Descriptors that are not for connections.
    private static let reservedDescriptors = 128

    /// Listens and serves at once.
    /// - Parameter log: gets libmicrohttpd's lines, at most 5 in 10 seconds, from any thread.
    /// - Throws: `EADDRINUSE` where somebody listens there already, `EEXIST` where a Unix
    ///   socket's path is taken by something else, `ENAMETOOLONG` over 107 bytes, `EACCES`.
    public init(
        _ listeners: [Listener], limits: ServerLimits, application: any Application,
        statistics: ServerStatistics = ServerStatistics(),
        log: (@Sendable (String) -> Void)? = nil
    ) throws(ServerError) {
        do {
            core = try Core(application, limits, statistics, log: log ?? MHDLog.standardError)
        } catch { throw ServerError("Cannot start the server's threads: \(error)", error) }
        let share = Self.connectionLimit(limits, listeners: listeners.count)
        var daemons: [Daemon] = []
        var ports: [UInt16?] = []
        do throws(ServerError) {
            for listener in listeners {
                let daemon = try Daemon(listener, core, connectionLimit: share)
                ports.append(daemon.socket.port)
                daemons.append(daemon)
            }
        } catch {
            for daemon in daemons { daemon.close() }
            core.close(deadline: Clock.monotonicNanoseconds())
            throw error
        }
        self.ports = ports
        self.daemons = Mutex(daemons)
    }

    /// A connection may need a second descriptor, for its upload or its answer.
    private static func connectionLimit(_ limits: ServerLimits, listeners: Int) -> Int {
        var descriptors = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0
        else { return limits.connections }
        let free = Int(clamping: descriptors.rlim_cur) - reservedDescriptors
        return max(16, min(limits.connections, free / 2 / max(1, listeners)))
    }

    /// Refuses new requests (503), lets running ones and streams end until the deadline, then
    /// closes everything. Blocks. A handler that runs on after the deadline finds nobody to answer.
    /// A second call returns at once. Not to be called in a handler, whose thread it waits for.
    public func stop(deadlineMilliseconds: Int) {
        let daemons = daemons.withLock { daemons in
            defer { daemons = [] }
            return daemons
        }
        guard !daemons.isEmpty else { return }
        let deadline =
            Clock.monotonicNanoseconds() + UInt64(max(0, deadlineMilliseconds)) * 1_000_000
        core.beginStopping()
        for daemon in daemons { daemon.quiesce() }
        core.waitUntilIdle(deadline: deadline)
        core.endSuspensions()
        for daemon in daemons { daemon.close() }
        core.close(deadline: deadline)
    }

    var daemonSockets: [ListenerAddress] {
        daemons.withLock { $0.compactMap { $0.socket.address } }
    }

    func wasSeen(_ socket: ListenerAddress, withinSeconds seconds: UInt64) -> Bool {
        core.activity(ofUnix: socket.family == AF_UNIX).wasSeen(withinSeconds: seconds)
    }

    func stalledWork(afterSeconds seconds: UInt64) -> [String] {
        core.stalled(afterSeconds: seconds)
    }

    deinit { stop(deadlineMilliseconds: 0) }
}
