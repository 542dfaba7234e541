public import Linux

/// Why the server could not start.
public struct ServerError: Error, Sendable {
    /// One sentence that names the listener.
    public let reason: String
    public let errno: Errno?

    init(_ reason: String, _ errno: Errno?) {
        self.reason = reason
        self.errno = errno
    }
}
