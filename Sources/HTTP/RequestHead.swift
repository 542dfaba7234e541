/// The methods that are served; every other one is refused with 501.
public enum Method: String, Sendable, CaseIterable {
    case get = "GET", head = "HEAD", put = "PUT", post = "POST", patch = "PATCH"
    case delete = "DELETE", options = "OPTIONS"
}

/// A request's line and headers, checked by the gate: no NUL, valid UTF-8, one Host, one framing.
public final class RequestHead: Sendable {
    public let method: Method
    /// As sent, without the query.
    public let rawPath: String
    /// Split at `/` first, then percent-decoded: `/v1/maps/a%2Fb` has the segments `v1`, `maps`,
    /// `a/b`. None for `/`; `/v1/` has an empty one at its end. Never `.` or `..`, never a NUL.
    public let segments: [String]
    /// In order, percent-decoded, `+` is not a space. A name without `=` has the value "".
    public let query: [(name: String, value: String)]
    /// Lower-case names, in order; no control bytes, no white space around values.
    public let headers: [(name: String, value: String)]
    public let peer: Peer
    /// The client's X-Request-Id if it was sane (1 to 128 of [A-Za-z0-9._-]), else made here.
    public let requestID: String

    /// For tests and for callers that make a request without a connection; checks nothing.
    public init(
        method: Method, rawPath: String, segments: [String],
        query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], peer: Peer, requestID: String
    ) {
        self.method = method
        self.rawPath = rawPath
        self.segments = segments
        self.query = query
        self.headers = headers
        self.peer = peer
        self.requestID = requestID
    }

    /// The first header of that name.
    /// - Parameter name: in lower case.
    public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
