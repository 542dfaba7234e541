/// One kind of thing that can go wrong, as clients see it: `/problems/{code}`.
public struct ProblemType: Sendable, Hashable {
    /// Stable, snake_case; clients branch on it.
    public let code: String
    public let status: Int
    /// What happened, the same for every occurrence.
    public let title: String
    /// What to do about it.
    public let advice: String
    /// Whether the same request can succeed later without a change.
    public let retryable: Bool
}

/// One occurrence of a problem, on its way to the client as `application/problem+json` (RFC 9457).
public struct Problem: Error, Sendable {
    public let type: ProblemType
    /// One sentence: what was refused, with the numbers, and what to change.
    public var detail: String
    /// The kernel's name, `EPERM`.
    public var errno: String?
    public var verifierLog: String?
    public var libbpfLog: String?
    /// RFC 6901, into the request's document.
    public var pointer: String?
    public var hint: String?
    /// Further members, by name, such as `holder_id`.
    public var members: [String: Member] = [:]
    /// For the log only.
    public var cause: (any Error)?

    public enum Member: Sendable, Hashable {
        case text(String)
        case number(Int64)
        case list([String])
        /// A member that is nil is shown as null.
        case object([String: Member?])
    }

    /// - Parameter errno: what was refused for want of a descriptor is not the request's mistake,
    ///   whatever was being done: `EMFILE` and `ENFILE` make it `resource_exhausted`.
    public init(
        _ type: ProblemType, _ detail: String, errno: String? = nil, pointer: String? = nil,
        hint: String? = nil, cause: (any Error)? = nil
    ) {
        self.type = ["EMFILE", "ENFILE"].contains(errno) ? .resourceExhausted : type
        self.detail = detail
        self.errno = errno
        self.pointer = pointer
        self.hint = hint
        self.cause = cause
    }
}
