public import Linux

/// An answer. The server adds `Date`, `X-Request-Id`, `Content-Length` or chunked framing, and
/// `Cache-Control: no-store` where the answer does not say otherwise.
public struct Response: Sendable {
    public var status: Int
    /// A header whose name or value holds control bytes is left out.
    public var headers: [(name: String, value: String)]
    public var body: Body

    public enum Body: Sendable {
        case none
        /// Sent as gzip where the client accepts it and there are more than 1024 bytes; of a
        /// quick handler also no more than 256 KiB.
        case bytes([UInt8])
        /// Sent with sendfile(2), as it is.
        case file(MemoryFile, size: Int)
        /// Of unknown length, chunked; the server pulls pieces. Never compressed. For HEAD it is
        /// closed without having been asked for a piece.
        case stream(any ResponseStream)
    }

    /// - Parameter status: 200 to 599.
    public init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// What a stream says after each piece.
public enum StreamStep: Sendable {
    /// Bytes were appended to the buffer.
    case more
    /// Nothing more now (bytes appended in this call are sent); `wake` will be called once when
    /// there may be more, and `next` is not called before.
    case wait
    /// The end, after the bytes appended in this call, with the last chunk.
    case end
    /// Breaks off after the bytes appended in this call, without the last chunk, so that the
    /// client sees the truncation.
    case abort
}

/// An answer that is made while it is sent. All calls come from HTTP threads, one at a time.
///
/// A client that goes away is noticed even while the stream waits (the server watches the
/// sockets of streams for a hangup; one that only ends its sending side counts as gone); one that
/// vanishes without a FIN is found when bytes sent to it, a heartbeat's for instance, stay
/// unacknowledged for `writeStallSeconds`.
public protocol ResponseStream: AnyObject, Sendable {
    /// Appends what there is, as much as fits: the free capacity differs from call to call, is
    /// usually 16 to 32 KiB and at least 100 bytes, so a record may have to be split.
    ///
    /// After `.wait` the stream must call `wake` (from any thread, once) when there may be more;
    /// `wake` may be called before `next` has returned, and is the same closure every time. Must
    /// not block.
    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    /// Whether `stalled` is to be called before the connection is closed for a client that takes
    /// nothing.
    var handlesStalls: Bool { get }
    /// The client took nothing for `writeStallSeconds`; it has as long again to take an end. Called
    /// once, on a thread of the server's own; must not block.
    func stalled()
    /// The connection is gone, or the stream ended. Called exactly once; `wake` is dead after it.
    func closed()
}

extension ResponseStream {
    public var handlesStalls: Bool { false }
    public func stalled() {}
}
