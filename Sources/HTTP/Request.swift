public import Linux

/// A request with its body, as a handler gets it.
public struct Request: Sendable {
    public let head: RequestHead
    public let body: Body

    public enum Body: Sendable {
        /// The plan took none.
        case none
        /// Without `Content-Encoding`: unpacked where it came as gzip. Empty where nothing came.
        case bytes([UInt8])
        /// Sealed; position at the start. `sha256` in lower-case hex, of the unpacked bytes; empty
        /// where the plan was `spool`.
        case file(MemoryFile, size: Int, sha256: String)
    }

    /// For tests and for callers that make a request without a connection.
    public init(head: RequestHead, body: Body) {
        self.head = head
        self.body = body
    }
}
