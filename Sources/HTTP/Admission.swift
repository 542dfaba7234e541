public import Linux

/// How a request is taken: decided from the head alone.
public enum Admission: Sendable {
    case refuse(Response)
    case accept(Plan)

    public struct Plan: Sendable {
        public enum BodySink: Sendable { case none, memory, file }
        /// `quick` runs on the HTTP thread and must not block; `worker` on a pool's thread.
        public enum Place: Sendable, Hashable { case quick, worker, load }
        /// Where the body goes: `file` never lies in the daemon's heap.
        public var body: BodySink
        /// In bytes, before and after `Content-Encoding`; more is refused with `bodyTooLarge`.
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
