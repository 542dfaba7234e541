public import ControlPlane
internal import HTTP
internal import Linux
internal import Problems
internal import Synchronization

/// Who is let in, as configured; read again at SIGHUP.
public struct AccessRules: Sendable {
    /// By user id. Root, and the user that the daemon runs as, are admin whatever stands here.
    public var users: [UInt32: Role] = [:]
    /// By group id; the best of a user's groups counts.
    public var groups: [UInt32: Role] = [:]
    /// By a name in a client's certificate.
    public var certificates: [String: Role] = [:]
    /// What `Host` may say on TCP, in lower case: `name`, for every port, or `name:port`.
    public var hosts: Set<String> = []
    /// Sites that a browser may ask for: `https://dashboard.example`.
    public var origins: Set<String> = []
    /// Whether whoever comes over loopback is admin.
    public var isUnprotected = false

    /// Nobody but root.
    public init() {}
}

/// The rules as they are at one moment, in one place: each request looks at them several times.
final class SharedRules: Sendable {
    let rules: AccessRules
    /// What `Host` said and was taken; few, so that a client cannot fill it.
    private let hosts = Mutex<[String]>([])

    init(_ rules: AccessRules) { self.rules = rules }

    /// Whether exactly this was looked at and taken before.
    func isKnown(host: String) -> Bool { hosts.withLock { $0.contains(host) } }

    func remember(host: String) {
        hosts.withLock { hosts in if hosts.count < 8 { hosts.append(host) } }
    }
}

/// Tells who a caller is from the connection and the head of a request. Any thread; never blocks.
final class Access: Sendable {
    private let state: Mutex<SharedRules>
    private let tokens: Tokens
    private let tickets: Tickets
    private let ownUserID: UInt32

    init(_ rules: AccessRules, _ tokens: Tokens, _ tickets: Tickets, ownUserID: UInt32) {
        state = Mutex(SharedRules(rules))
        self.tokens = tokens
        self.tickets = tickets
        self.ownUserID = ownUserID
    }

    var rules: SharedRules { state.withLock { $0 } }

    func replace(_ rules: AccessRules) { state.withLock { $0 = SharedRules(rules) } }

    /// What was presented in the request decides; else the connection does.
    /// - Throws: `unauthenticated` for a credential that is not valid.
    func caller(of head: RequestHead, takesTicket: Bool) throws(Problem) -> Caller {
        let authorizations = head.headers.filter { $0.name == "authorization" }
        let ticket = takesTicket ? head.query.first { $0.name == "ticket" }?.value : nil
        guard authorizations.count + (ticket == nil ? 0 : 1) <= 1 else {
            throw Problem(
                .malformedRequest, "There is more than one credential: send one Authorization.")
        }
        if let ticket { return try tickets.take(ticket, for: head.rawPath) }
        guard let text = authorizations.first?.value else { return try caller(of: head.peer) }
        let parts = text.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw Problem(
                .unauthenticated, "Authorization takes only Bearer and a token: Bearer apy_….")
        }
        switch tokens.verdict(on: String(parts[1])) {
        case .valid(let token): return Caller(token)
        case .expired(let name): throw Problem(.unauthenticated, "The token \(name) has expired.")
        case .unknown: throw Problem(.unauthenticated, "The token is not known: revoked or wrong.")
        }
    }

    private func caller(of peer: Peer) throws(Problem) -> Caller {
        let shared = rules
        switch peer {
        case .unix(let peer):
            return Caller(
                .user(peer.userID), role(of: peer, shared.rules),
                actor: "unix:uid=\(peer.userID),pid=\(peer.processID)", local: peer)
        case .tcp(let address):
            let actor = "tcp:" + address
            return shared.rules.isUnprotected
                ? Caller(.anybody, .admin, actor: actor) : Caller(.nobody, .none, actor: actor)
        case .tls(let address, let certificate):
            guard let certificate else {
                return Caller(.nobody, .none, actor: "tls:\(address)")
            }
            if let fault = certificate.fault {
                throw Problem(
                    .unauthenticated, "The client certificate is not accepted: \(fault)")
            }
            let roles = shared.rules.certificates
            let known = certificate.names.first { roles[$0] != nil }
            let name = known ?? certificate.names.first ?? certificate.fingerprint
            return Caller(
                .certificate(name), known.flatMap { roles[$0] } ?? .none,
                actor: "certificate:\(name)")
        }
    }

    /// Whether a caller who was let in may still read, by the present rules and tokens.
    func stillReads(_ caller: Caller) -> Bool {
        let rules = rules.rules
        switch caller.credential {
        case .user: return caller.local.map { role(of: $0, rules) >= .read } ?? true
        case .certificate(let name): return rules.certificates[name] ?? .none >= .read
        case .anybody: return rules.isUnprotected
        case .token(let name): return tokens.opens(name)
        case .nobody: return true
        }
    }

    private func role(of peer: PeerCredentials, _ rules: AccessRules) -> Role {
        if peer.userID == 0 || peer.userID == ownUserID { return .admin }
        let groups = ([peer.groupID] + peer.groups).compactMap { rules.groups[$0] }
        return max(rules.users[peer.userID] ?? .none, groups.max() ?? .none)
    }
}
