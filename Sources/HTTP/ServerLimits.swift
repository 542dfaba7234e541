/// What one client, and all of them together, may take.
public struct ServerLimits: Sendable {
    /// For each listener; lowered to its share of the descriptors that the process may open
    /// (RLIMIT_NOFILE), since libmicrohttpd spins where accept(2) fails for want of one.
    public var connections = 6000
    /// 0: no limit. TCP only.
    public var connectionsPerAddress = 0
    /// From the connection's start, or from a further request's line, to the end of the headers.
    public var headerSeconds = 10
    /// From the headers to the body's last byte.
    public var bodySeconds = 60
    /// On average, looked at after the first 5 seconds.
    public var bodyMinimumBytesPerSecond = 1024
    /// Between two requests, and for anything on which nothing moves: an answer too, of which the
    /// client takes no byte.
    public var idleSeconds = 30
    /// A stream of which the client takes no byte for so long is closed.
    public var writeStallSeconds = 30
    /// The request line and all headers. Up to 32 KiB are taken in at all.
    public var headerBytes = 16 << 10
    /// Threads for `Place.worker`.
    public var workers = 4
    /// Threads for `Place.load`.
    public var loadWorkers = 2
    /// Threads of each of the two kinds that only the Unix socket's requests get, and only while
    /// the others are busy: so an operator is served while the network keeps the rest at work.
    public var reservedWorkers = 1
    /// Waiting for a worker, for each of the two pools.
    public var queuedRequests = 1024

    /// The limits above.
    public init() {}
}

/// Where the server listens.
public enum Listener: Sendable, Hashable {
    /// A Unix socket; an existing dead socket is replaced. The directory's mode is the caller's.
    case unix(path: String, mode: UInt32)
    /// A listening socket that somebody else made and keeps, by its descriptor; it is not closed.
    case inherited(Int32)
    /// `host` is an address, or a name of which the first address that can be bound is taken;
    /// port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// The same with TLS 1.2 or 1.3, as the active `TLSIdentity`.
    case tls(host: String, port: UInt16)
}

extension Listener: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unix(let path, _): path
        case .inherited(let number): "the supervisor's socket \(number)"
        case .tcp(let host, let port): Self.text(host, port)
        case .tls(let host, let port): "https://" + Self.text(host, port)
        }
    }

    private static func text(_ host: String, _ port: UInt16) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
