public import Linux

/// The application behind the server. Called on HTTP threads: must not block.
public protocol Application: Sendable {
    /// Decides from the head alone, before any byte of a body was taken.
    func admit(_ head: RequestHead) -> Admission
    /// The answer for a refusal. The server adds `X-Request-Id` itself.
    func refuse(_ refusal: Refusal, requestID: String) -> Response
    /// Hears of each answer, once; not of requests whose client went away before.
    func note(_ answer: AnswerNote)
}

extension Application {
    /// Nothing.
    public func note(_ answer: AnswerNote) {}
}

/// How a request is taken: decided from the head alone.
public enum Admission: Sendable {
    /// A body that is on its way is not taken: a small one is read and thrown away, for a larger
    /// one the connection ends with the answer.
    case refuse(Response)
    case accept(Plan)

    /// How the body is taken, and what is run then, and where.
    public struct Plan: Sendable {
        /// `none` refuses a request that has a body (`bodyTooLarge(limit: 0)`); `file` one that
        /// says neither `Content-Length` nor chunked (`lengthRequired`). `spool` is a file without
        /// a digest, for what is read once from its start.
        public enum BodySink: Sendable { case none, memory, file, spool }
        /// `quick` runs on the HTTP thread and must not block; `worker` on a pool's thread;
        /// `load` on a thread kept for loads.
        public enum Place: Sendable, Hashable { case quick, worker, load }
        public var body: BodySink
        /// In bytes, of the body as sent and as unpacked. Over it: `bodyTooLarge`.
        public var bodyLimit: Int
        public var place: Place
        /// The application's own mark, which comes back in the `AnswerNote`.
        public var tag: Int?
        /// Called once, with the whole body. Where it runs on past `stop`, or the client has
        /// gone, its answer is dropped.
        public var handle: @Sendable (Request) -> Response

        /// See the members.
        public init(
            body: BodySink, bodyLimit: Int, place: Place, tag: Int? = nil,
            handle: @escaping @Sendable (Request) -> Response
        ) {
            self.body = body
            self.bodyLimit = bodyLimit
            self.place = place
            self.tag = tag
            self.handle = handle
        }
    }
}

/// Why the server itself refuses, before or instead of the application's handler.
public enum Refusal: Error, Sendable, Hashable {
    /// A header or request line that the gate does not let through; says which.
    case malformed(String)
    case unknownMethod(String)
    case bodyTooLarge(limit: Int)
    case lengthRequired
    /// Upload slower than the minimum or past its deadline.
    case bodyTimeout
    /// `Content-Encoding` that is not identity or gzip.
    case unsupportedEncoding(String)
    /// A body that says gzip and is not, or is cut off.
    case malformedEncoding
    /// The queue for the request's place is full.
    case tooManyRequests
    case stopping
    /// A descriptor or memory for the body could not be had.
    case outOfResources(Errno)
}
