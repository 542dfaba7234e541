public import Linux

public enum Method: String, Sendable, CaseIterable {
    case get = "GET", head = "HEAD", put = "PUT", post = "POST", patch = "PATCH"
    case delete = "DELETE", options = "OPTIONS"
}

/// Who is at the other end.
public enum Peer: Sendable, Hashable {
    case unix(PeerCredentials)
    case tcp(address: String)
}

/// A request's line and headers, checked by the gate: no NUL, valid UTF-8, one Host, one framing.
public struct RequestHead: Sendable {
    public let method: Method
    /// As sent, without the query.
    public let rawPath: String
    /// Split at `/` first, then percent-decoded: `/v1/maps/a%2Fb` has the segment `a/b`... unless
    /// the gate refuses it.
    public let segments: [String]
    /// In order, percent-decoded, `+` is not a space.
    public let query: [(name: String, value: String)]
    /// Lower-case names, in order.
    public let headers: [(name: String, value: String)]
    public let peer: Peer
    /// The client's X-Request-Id if it was sane (1 to 128 of [A-Za-z0-9._-]), else made here.
    public let requestID: String
    public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

public struct Request: Sendable {
    public let head: RequestHead
    public let body: Body

    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Sealed; position at the start.
        case file(MemoryFile, size: Int, sha256: String)
    }
}

/// How a request is taken: decided from the head alone.
public enum Admission: Sendable {
    case refuse(Response)
    case accept(Plan)

    public struct Plan: Sendable {
        public enum BodySink: Sendable { case none, memory, file }
        /// `quick` runs on the HTTP thread and must not block; `worker` on a pool's thread.
        public enum Place: Sendable, Hashable { case quick, worker, load }
        public var body: BodySink
        /// Over it: `tooLarge` of the application answers.
        public var bodyLimit: Int
        public var place: Place
        public var handle: @Sendable (Request) -> Response
        public init(
            body: BodySink, bodyLimit: Int, place: Place,
            handle: @escaping @Sendable (Request) -> Response
        ) {
            self.body = body
            self.bodyLimit = bodyLimit
            self.place = place
            self.handle = handle
        }
    }
}

/// Why the server itself refuses, before or instead of the application's handler.
public enum Refusal: Sendable, Hashable {
    /// A header or request line that the gate does not let through.
    case malformed(String)
    case unknownMethod(String)
    case bodyTooLarge(limit: Int)
    case lengthRequired
    /// Upload slower than the minimum or past its deadline.
    case bodyTimeout
    /// `Content-Encoding` that is not identity or gzip.
    case unsupportedEncoding(String)
    case malformedEncoding
    case tooManyRequests
    case stopping
    case outOfResources(Errno)
}

/// The application behind the server. Called on HTTP threads: must not block.
public protocol Application: Sendable {
    func admit(_ head: RequestHead) -> Admission
    /// The answer for a refusal; `head` where it was understood.
    func refuse(_ refusal: Refusal, requestID: String) -> Response
}

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

public enum StreamStep: Sendable {
    /// Bytes were appended to the buffer.
    case more
    /// Nothing now; `wake` will be called once when there may be more.
    case wait
    /// The end, with the last chunk.
    case end
    /// Breaks off without the last chunk, so that the client sees the truncation.
    case abort
}

/// An answer that is made while it is sent. All calls come from HTTP threads, one at a time.
public protocol ResponseStream: AnyObject, Sendable {
    /// Appends what there is, as much as fits. After `.wait` the stream must call `wake` (from any
    /// thread, once) when there may be more; `wake` may be called before `next` has returned.
    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    /// The connection is gone, or the stream ended. Called exactly once; `wake` is dead after it.
    func closed()
}

public struct ServerLimits: Sendable {
    public var connections = 6000
    public var connectionsPerAddress = 0
    public var headerSeconds = 10
    public var bodySeconds = 60
    public var bodyMinimumBytesPerSecond = 1024
    public var idleSeconds = 60
    public var writeStallSeconds = 30
    public var headerBytes = 16 << 10
    public var workers = 4
    public var loadWorkers = 2
    public var queuedRequests = 1024
    public init() {}
}

public enum Listener: Sendable, Hashable {
    /// A Unix socket; an existing dead socket is replaced. The directory's mode is the caller's.
    case unix(path: String, mode: UInt32)
    case tcp(host: String, port: UInt16)
}

public struct ServerError: Error, Sendable {
    public let reason: String
    public let errno: Errno?
}

/// The running server: MHD daemons, one a listener, and the worker threads.
public final class Server: Sendable {
    public init(_ listeners: [Listener], limits: ServerLimits, application: any Application)
        throws(ServerError)
    { preconditionFailure("unwritten") }
    /// The TCP port in use (for port 0), in the listeners' order; nil for Unix.
    public var ports: [UInt16?] { preconditionFailure("unwritten") }
    /// Refuses new requests (503), lets running ones and streams end until the deadline, then
    /// closes everything. Blocks.
    public func stop(deadlineMilliseconds: Int) { preconditionFailure("unwritten") }
}
