internal import Linux

/// The running server: a libmicrohttpd daemon for each listener, and the worker threads they share.
public final class Server: Sendable {
    private let daemons: [HTTPDaemon]
    private let workers: WorkerPool
    private let loaders: WorkerPool
    private let listeners: [Listener]

    /// Listens and serves at once.
    public init(_ listeners: [Listener], limits: ServerLimits, application: any Application)
        throws(ServerError)
    {
        do throws(Errno) {
            workers = try WorkerPool(
                "worker", threads: limits.workers, queued: limits.queuedRequests)
            loaders = try WorkerPool(
                "load", threads: limits.loadWorkers, queued: limits.queuedRequests)
        } catch {
            throw ServerError(reason: "cannot start the workers", errno: error)
        }
        self.listeners = listeners
        var daemons: [HTTPDaemon] = []
        for listener in listeners {
            do {
                daemons.append(
                    try HTTPDaemon(
                        listener, limits: limits, application: application, workers: workers,
                        loaders: loaders))
            } catch {
                for daemon in daemons { daemon.stop() }
                throw error
            }
        }
        self.daemons = daemons
    }

    /// The TCP port in use (for port 0), in the listeners' order; nil for Unix.
    public var ports: [UInt16?] { daemons.map(\.port) }

    /// Refuses new requests (503), lets running ones and streams end until the deadline, then
    /// closes everything and removes the Unix sockets. Blocks.
    public func stop(deadlineMilliseconds: Int) {
        for daemon in daemons { daemon.quiesce() }
        workers.stop()
        loaders.stop()
        let deadline = Clock.monotonicNanoseconds() + UInt64(deadlineMilliseconds) * 1_000_000
        while daemons.contains(where: { $0.openStreams > 0 }),
            Clock.monotonicNanoseconds() < deadline
        {
            Clock.sleep(nanoseconds: 10_000_000)
        }
        for daemon in daemons { daemon.stop() }
        for case .unix(let path, _) in listeners {
            // A socket file that stays is replaced at the next start.
            do { try FileSystem.unlink(path) } catch { continue }
        }
    }
}
