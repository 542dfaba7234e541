internal import Problems

/// What a request requires of the resource's present revision (RFC 9110, section 13.1).
public struct Conditions: Sendable, Hashable {
    /// `If-Match`: one of these revisions; `*`: any, but it must exist.
    public enum Match: Sendable, Hashable {
        case any
        case revisions([String])
    }

    public var ifMatch: Match?
    /// `If-None-Match: *`: it must not exist.
    public var ifAbsent = false

    public init(ifMatch: Match? = nil, ifAbsent: Bool = false) {
        self.ifMatch = ifMatch
        self.ifAbsent = ifAbsent
    }

    /// The same of the revision alone, of tags that have more behind it: `17-0123456789abcdef`.
    var ofRevisions: Conditions {
        guard case .revisions(let tags) = ifMatch else { return self }
        var conditions = self
        conditions.ifMatch = .revisions(tags.map { String($0.prefix { $0 != "-" }) })
        return conditions
    }

    /// - Parameter revision: of the resource as it is; nil where there is none.
    func check(_ revision: Int64?, of subject: String) throws(Problem) {
        try check(tag: revision.map(String.init), "revision", of: subject)
    }

    /// - Parameters:
    ///   - tag: the resource's ETag as it is, without quotes; nil where there is none.
    ///   - what: what the tag is.
    func check(tag: String?, _ what: String, of subject: String) throws(Problem) {
        if ifAbsent, let tag {
            throw Problem(
                .preconditionFailed,
                "\(subject) exists (\(what) \(tag)), and If-None-Match: * wants it not to.")
        }
        switch (ifMatch, tag) {
        case (nil, _), (.any, .some): return
        case (.some, nil):
            throw Problem(
                .preconditionFailed, "\(subject) does not exist, and If-Match wants it to.")
        case (.revisions(let wanted), let tag?):
            if wanted.contains(tag) { return }
            throw Problem(
                .preconditionFailed,
                "\(subject) is at \(what) \(tag), and If-Match wants "
                    + wanted.joined(separator: " or ") + ".")
        }
    }
}
