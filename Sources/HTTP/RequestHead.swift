public import Linux

/// The methods that resources take.
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
    /// Split at `/` first, then percent-decoded: `/v1/maps/a%2Fb` has the segment `a/b`.
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
