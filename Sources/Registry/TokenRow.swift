internal import Cryptography
internal import GRDB

/// A token as registered: of the text itself only the digest.
public struct TokenRow: Sendable, Hashable {
    public var name: String
    /// SHA-256 of the text, in hex.
    public var hash: String
    public var role: String
    /// A JSON object, see ControlPlane's Scope; `{}` for every program.
    public var scope: String
    public var createdAtNanoseconds: UInt64
    /// The actor who made it.
    public var createdBy: String
    public var expiresAtNanoseconds: UInt64?
    public var lastUsedAtNanoseconds: UInt64?
    public var revision: Int64

    public init(
        name: String, hash: String, role: String, scope: String, createdAtNanoseconds: UInt64,
        createdBy: String, expiresAtNanoseconds: UInt64?, lastUsedAtNanoseconds: UInt64? = nil,
        revision: Int64 = 0
    ) {
        self.name = name
        self.hash = hash
        self.role = role
        self.scope = scope
        self.createdAtNanoseconds = createdAtNanoseconds
        self.createdBy = createdBy
        self.expiresAtNanoseconds = expiresAtNanoseconds
        self.lastUsedAtNanoseconds = lastUsedAtNanoseconds
        self.revision = revision
    }
}

extension Transaction {
    /// Writes a new token with this change's revision.
    public func put(_ row: TokenRow) throws {
        try database.execute(
            sql: """
                INSERT INTO tokens (name, hash, role, scope, created_at, created_by, expires_at,
                    last_used_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                row.name, row.hash, row.role, row.scope,
                Int64(bitPattern: row.createdAtNanoseconds),
                row.createdBy, row.expiresAtNanoseconds.map { Int64(bitPattern: $0) },
                row.lastUsedAtNanoseconds.map { Int64(bitPattern: $0) }, revision,
            ])
    }

    public func removeToken(_ name: String) throws {
        try database.execute(sql: "DELETE FROM tokens WHERE name = ?", arguments: [name])
    }
}

extension RegistryStore {
    /// All tokens, by name.
    public func tokens() throws(RegistryError) -> [TokenRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM tokens ORDER BY name").map { row in
                let expires: Int64? = row["expires_at"]
                let used: Int64? = row["last_used_at"]
                return TokenRow(
                    name: row["name"], hash: row["hash"], role: row["role"], scope: row["scope"],
                    createdAtNanoseconds: UInt64(bitPattern: row["created_at"]),
                    createdBy: row["created_by"],
                    expiresAtNanoseconds: expires.map { UInt64(bitPattern: $0) },
                    lastUsedAtNanoseconds: used.map { UInt64(bitPattern: $0) },
                    revision: row["revision"])
            }
        }
    }

    /// Notes when tokens were used last. Waits for no disk: it is told, not promised.
    public func noteUse(ofTokens times: [String: UInt64]) throws(RegistryError) {
        guard !times.isEmpty else { return }
        try writeUnsynchronized { transaction in
            for (name, time) in times {
                try transaction.database.execute(
                    sql: "UPDATE tokens SET last_used_at = ? WHERE name = ?",
                    arguments: [Int64(bitPattern: time), name])
            }
        }
    }
}
