public import Linux

/// Why the server could not start.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    /// One sentence that names the listener.
    public let reason: String
    public let errno: Errno?

    public var description: String { reason }

    init(_ reason: String, _ errno: Errno?) {
        self.reason = reason
        self.errno = errno
    }
}
