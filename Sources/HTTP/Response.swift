public import Linux

/// An answer. The server adds `X-Request-Id`, `Cache-Control` and `Date`.
public struct Response: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: Body

    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        case file(MemoryFile, size: Int)
        /// Of unknown length, chunked; the server pulls pieces.
        case stream(any ResponseStream)
    }
    public init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
