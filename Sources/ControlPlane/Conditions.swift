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

    /// - Parameter revision: of the resource as it is; nil where there is none.
    func check(_ revision: Int64?, of subject: String) throws(Problem) {
        if ifAbsent, let revision {
            throw Problem(
                .preconditionFailed,
                "\(subject) exists (revision \(revision)), and If-None-Match: * wants it not to.")
        }
        switch (ifMatch, revision) {
        case (nil, _), (.any, .some): return
        case (.some, nil):
            throw Problem(
                .preconditionFailed, "\(subject) does not exist, and If-Match wants it to.")
        case (.revisions(let wanted), let revision?):
            if wanted.contains(String(revision)) { return }
            throw Problem(
                .preconditionFailed,
                "\(subject) is at revision \(revision), and If-Match wants "
                    + wanted.joined(separator: " or ") + ".")
        }
    }
}
