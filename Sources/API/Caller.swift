internal import ControlPlane
internal import HTTP
internal import Linux

/// Who asks: found out before anything else is done for a request.
struct Caller: Sendable {
    /// What the caller is known by; streams and their limits belong to it.
    enum Credential: Sendable, Hashable {
        case nobody
        case user(UInt32)
        case token(String)
        case certificate(String)
        /// Whoever reaches a loopback port of a daemon that runs `--unprotected`.
        case anybody
    }

    var isByCertificate: Bool {
        if case .certificate = credential { true } else { false }
    }

    let credential: Credential
    let role: Role
    let scope: Scope
    /// For the audit log: `unix:uid=0,pid=12`, `token:ci`, `certificate:ci.example`,
    /// `tcp:127.0.0.1`.
    let actor: String
    /// Nil: never.
    let expiresAtNanoseconds: UInt64?
    /// Whose connection it is, on the Unix socket.
    let local: PeerCredentials?

    init(
        _ credential: Credential, _ role: Role, actor: String, scope: Scope = .all,
        expiresAtNanoseconds: UInt64? = nil, local: PeerCredentials? = nil
    ) {
        self.credential = credential
        self.local = local
        self.role = role
        self.actor = actor
        self.scope = scope
        self.expiresAtNanoseconds = expiresAtNanoseconds
    }

    init(_ token: Token) {
        self.init(
            .token(token.name), token.role, actor: "token:\(token.name)", scope: token.scope,
            expiresAtNanoseconds: token.expiresAtNanoseconds)
    }

    /// Whether limits on one client do not count for it: an operator must always get in.
    var isLocalAdmin: Bool {
        if case .user = credential { role == .admin } else { false }
    }
}

extension Peer {
    /// For the audit log.
    var text: String {
        switch self {
        case .unix(let peer):
            "unix:uid=\(peer.userID),gid=\(peer.groupID),pid=\(peer.processID)"
        case .tcp(let address): "tcp:\(address)"
        case .tls(let address, _): "tls:\(address)"
        }
    }
}
