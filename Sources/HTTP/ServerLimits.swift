public import Linux

/// Bounds on what clients can make large or slow, all in one place.
public struct ServerLimits: Sendable {
    /// Open connections of each listener.
    public var connections = 6000
    /// From one address; 0: no bound.
    public var connectionsPerAddress = 0
    /// Seconds without a byte, either way, after which a connection is closed. A stream that waits
    /// for something to send does not count; one whose client does not read does.
    public var idleSeconds = 60
    /// Seconds from the head to the last byte of a body.
    public var bodySeconds = 60
    /// Threads that run changes and dumps.
    public var workers = 4
    /// Threads kept for loads, so that a slow verifier run does not hold up the rest.
    public var loadWorkers = 2
    /// Requests that wait for a worker; one more gets 429.
    public var queuedRequests = 1024

    public init() {}
}

/// Where to listen.
public enum Listener: Sendable, Hashable {
    /// A Unix socket; a dead one of that name is replaced. The directory's mode is the caller's.
    case unix(path: String, mode: UInt32)
    /// Port 0: the kernel chooses, `Server.ports` tells.
    case tcp(host: String, port: UInt16)
}

/// Why the server did not start.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public let reason: String
    public let errno: Errno?

    public var description: String { errno.map { "\(reason): \($0)" } ?? reason }
}
