internal import Cryptography
internal import Linux
public import Problems
public import Registry
internal import Synchronization

/// A token as it is told; never its text.
public struct Token: Sendable, Hashable {
    public let name: String
    public let role: Role
    public let scope: Scope
    public let createdAtNanoseconds: UInt64
    public let createdBy: String
    public let expiresAtNanoseconds: UInt64?
    public internal(set) var lastUsedAtNanoseconds: UInt64?
    public let revision: Int64

    public func isExpired(at now: UInt64) -> Bool {
        expiresAtNanoseconds.map { $0 <= now } ?? false
    }
}

/// What a token is to be.
public struct NewToken: Sendable {
    public var name: String
    public var role: Role
    public var scope: Scope
    /// Nil: never.
    public var expiresInSeconds: Int?

    public init(name: String, role: Role, scope: Scope, expiresInSeconds: Int?) {
        self.name = name
        self.role = role
        self.scope = scope
        self.expiresInSeconds = expiresInSeconds
    }
}

/// The tokens: in memory, so that a request asks no disk, and in the registry.
public final class Tokens: Sendable {
    /// What a text is that somebody presented.
    public enum Verdict: Sendable { case unknown, expired(String), valid(Token) }

    private struct Entry {
        var token: Token
        let digest: [UInt8]
        var isUseUnwritten = false
        /// It opens nothing any more, whatever became of its row.
        var isRevoked = false
    }

    /// By the first byte of the digest, which tells nobody anything about a text.
    private let entries = Mutex<[[Entry]]>(Array(repeating: [], count: 256))
    private let registry: RegistryStore
    /// The revision that a change of tokens made last.
    private let newest = Mutex<Int64>(0)

    /// What every token begins with, so that a leaked one is found by searching for it.
    public static let prefix = "apy_"
    /// As many as there may be.
    public static let limit = 1000

    /// - Throws: where the registry cannot be read.
    public init(_ registry: RegistryStore) throws(RegistryError) {
        self.registry = registry
        for row in try registry.tokens() { insert(row) }
    }

    /// Tokens of a file beside those of the registry; they cannot be revoked by the API.
    private let fixed = Mutex<[Entry]>([])

    /// Replaces the tokens that come from a file, each by the digest of its text in hex.
    /// - Returns: the names of those that were there and are no longer, or not with that text or
    ///   with a lesser role.
    @discardableResult
    public func replaceFixed(_ tokens: [(name: String, role: Role, hash: String)]) -> [String] {
        let now = Clock.realtimeNanoseconds()
        let made = tokens.compactMap { token -> Entry? in
            guard let digest = HexText.bytes(token.hash), digest.count == 32 else { return nil }
            return Entry(
                token: Token(
                    name: token.name, role: token.role, scope: .all, createdAtNanoseconds: now,
                    createdBy: "token_file", expiresAtNanoseconds: nil, revision: 0),
                digest: digest)
        }
        return fixed.withLock { fixed in
            defer { fixed = made }
            return fixed.filter { old in
                !made.contains {
                    $0.token.name == old.token.name && $0.digest == old.digest
                        && $0.token.role >= old.token.role
                }
            }.map(\.token.name)
        }
    }

    /// What a presented text is. Every digest that may be it is compared whole, in constant time.
    public func verdict(on text: String) -> Verdict {
        let digest = SHA256.digest(of: text)
        let now = Clock.realtimeNanoseconds()
        let found: Token? = entries.withLock { entries in
            var found: Int?
            for (index, entry) in entries[Int(digest[0])].enumerated()
            where Secret.equals(entry.digest, digest) { found = index }
            guard let found, !entries[Int(digest[0])][found].isRevoked else { return nil }
            entries[Int(digest[0])][found].token.lastUsedAtNanoseconds = now
            entries[Int(digest[0])][found].isUseUnwritten = true
            return entries[Int(digest[0])][found].token
        }
        if let found { return found.isExpired(at: now) ? .expired(found.name) : .valid(found) }
        let other = fixed.withLock { fixed in
            var found: Token?
            for entry in fixed where Secret.equals(entry.digest, digest) { found = entry.token }
            return found
        }
        return other.map { .valid($0) } ?? .unknown
    }

    /// All, by name.
    public var all: [Token] {
        entries.withLock { $0.flatMap { $0.map(\.token) } }.sorted { $0.name < $1.name }
    }

    /// Makes a token and gives its text, which is kept nowhere.
    /// - Throws: `already_exists`, `invalid_name`, `quota_exceeded`, or what the registry says.
    public func create(_ new: NewToken, _ origin: ChangeOrigin, isDryRun: Bool = false)
        throws(Problem) -> (token: Token, text: String)
    {
        try Names.check(new.name, "token name")
        let there = all
        guard !there.contains(where: { $0.name == new.name }) else {
            throw Problem(
                .alreadyExists, "There is a token \(new.name): revoke it or take another name.")
        }
        // Two of a name would be one in the audit log, and ended together.
        guard !fixed.withLock({ $0.contains { $0.token.name == new.name } }) else {
            throw Problem(
                .alreadyExists, "token_file has a token \(new.name): take another name.")
        }
        guard there.count < Self.limit else {
            throw Problem(
                .quotaExceeded, "There are \(there.count) tokens, the limit is \(Self.limit).")
        }
        let text = Secret.make(prefix: Self.prefix)
        let now = Clock.realtimeNanoseconds()
        var row = TokenRow(
            name: new.name, hash: HexText.text(SHA256.digest(of: text)), role: new.role.rawValue,
            scope: new.scope.text, createdAtNanoseconds: now, createdBy: origin.actor,
            expiresAtNanoseconds: new.expiresInSeconds.map { now + UInt64($0) * 1_000_000_000 })
        if isDryRun { return (token(row), "") }
        do {
            row.revision = try registry.change(origin, subject: "tokens/\(new.name)") {
                try $0.put(row)
            }
        } catch { throw Problem(error, while: "record the token") }
        note(row.revision)
        insert(row)
        return (token(row), text)
    }

    /// - Returns: false where there is none.
    public func revoke(_ name: String, _ origin: ChangeOrigin) throws(Problem) -> Bool {
        guard all.contains(where: { $0.name == name }) else { return false }
        // First in memory: whatever the disk says, it opens nothing any more. It is listed until
        // its row is gone, so that it can be asked again.
        change(name) { $0.isRevoked = true }
        do {
            note(
                try registry.change(origin, subject: "tokens/\(name)") {
                    try $0.removeToken(name)
                })
        } catch { throw Problem(error, while: "revoke the token") }
        entries.withLock { entries in
            for index in entries.indices { entries[index].removeAll { $0.token.name == name } }
        }
        return true
    }

    private func change(_ name: String, _ body: (inout Entry) -> Void) {
        entries.withLock { entries in
            for bucket in entries.indices {
                for index in entries[bucket].indices
                where entries[bucket][index].token.name == name { body(&entries[bucket][index]) }
            }
        }
    }

    /// Whether a token of this name opens anything, but for its age.
    public func opens(_ name: String) -> Bool {
        entries.withLock { entries in
            entries.contains { $0.contains { $0.token.name == name && !$0.isRevoked } }
        } || fixed.withLock { $0.contains { $0.token.name == name } }
    }

    /// Writes down when tokens were used last, where that changed.
    public func noteUses() throws(RegistryError) {
        let times: [String: UInt64] = entries.withLock { entries in
            var times: [String: UInt64] = [:]
            for bucket in entries.indices {
                for index in entries[bucket].indices where entries[bucket][index].isUseUnwritten {
                    entries[bucket][index].isUseUnwritten = false
                    let token = entries[bucket][index].token
                    times[token.name] = token.lastUsedAtNanoseconds
                }
            }
            return times
        }
        try registry.noteUse(ofTokens: times)
    }

    var revision: Int64 { newest.withLock { $0 } }

    private func note(_ revision: Int64) { newest.withLock { $0 = max($0, revision) } }

    private func insert(_ row: TokenRow) {
        guard let digest = HexText.bytes(row.hash), digest.count == 32 else { return }
        entries.withLock { entries in
            entries[Int(digest[0])].append(Entry(token: token(row), digest: digest))
        }
    }

    private func token(_ row: TokenRow) -> Token {
        let scope = Scope(stored: row.scope)
        return Token(
            name: row.name, role: scope == nil ? .none : Role(rawValue: row.role) ?? .none,
            scope: scope ?? .all, createdAtNanoseconds: row.createdAtNanoseconds,
            createdBy: row.createdBy, expiresAtNanoseconds: row.expiresAtNanoseconds,
            lastUsedAtNanoseconds: row.lastUsedAtNanoseconds, revision: row.revision)
    }
}

extension Tokens {
    /// For a command while no daemon runs; `path` is the registry's.
    public convenience init(registry path: String) throws(RegistryError) {
        try self.init(try RegistryStore(path: path))
    }

    /// Computes the chain of the audit log beside them anew.
    public func verifyAudit() throws(RegistryError) -> AuditChainState {
        try registry.verifyAudit()
    }
}
