internal import GRDB
internal import JSON

/// The writes of one change; alive only inside the closure that it is given to.
public final class Transaction {
    let database: Database
    /// The revision that this change makes, 0 where it makes none.
    public internal(set) var revision: Int64 = 0
    /// Rows of the audit log that are kept, at least.
    let auditLimit: Int
    /// The audit rows of this transaction.
    var audited: [AuditRow] = []

    init(_ database: Database, auditLimit: Int) {
        self.database = database
        self.auditLimit = auditLimit
    }

    /// Writes the row with this change's revision.
    public func put(_ row: ProgramRow) throws {
        try database.executeCached(
            sql: """
                INSERT INTO programs (name, digest, size_bytes, options, labels, state, load_id,
                    boot_id, report, problem, loaded_at, kernel_ids, revision)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET digest = excluded.digest,
                    size_bytes = excluded.size_bytes, options = excluded.options,
                    labels = excluded.labels, state = excluded.state, load_id = excluded.load_id,
                    boot_id = excluded.boot_id, report = excluded.report,
                    problem = excluded.problem, loaded_at = excluded.loaded_at,
                    kernel_ids = excluded.kernel_ids, revision = excluded.revision
                """,
            arguments: [
                row.name, row.digest, row.sizeBytes, row.options, Labels.text(row.labels),
                row.state.rawValue, row.loadID, row.bootID, row.report, row.problem,
                Int64(bitPattern: row.loadedAtNanoseconds), row.kernelIDs, revision,
            ])
    }

    public func removeProgram(_ name: String) throws {
        try database.executeCached(sql: "DELETE FROM programs WHERE name = ?", arguments: [name])
    }

    /// Writes the row with this change's revision.
    public func put(_ row: ProbeRow) throws {
        try database.executeCached(
            sql: """
                INSERT INTO probes (id, program, function, attach, enabled, labels, state, pin,
                    boot_id, problem, created_at, link_ids, target, when_gone,
                    revision)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET program = excluded.program,
                    function = excluded.function, attach = excluded.attach,
                    enabled = excluded.enabled, labels = excluded.labels, state = excluded.state,
                    pin = excluded.pin, boot_id = excluded.boot_id, problem = excluded.problem,
                    link_ids = excluded.link_ids, target = excluded.target,
                    when_gone = excluded.when_gone,
                    revision = excluded.revision
                """,
            arguments: [
                row.id, row.program, row.function, row.attach, row.enabled,
                Labels.text(row.labels), row.state.rawValue, row.pin, row.bootID, row.problem,
                Int64(bitPattern: row.createdAtNanoseconds),
                row.linkIDs.map(String.init).joined(separator: " "), row.target,
                row.whenGone.rawValue,
                revision,
            ])
    }

    public func removeProbe(_ id: String) throws {
        try database.executeCached(sql: "DELETE FROM probes WHERE id = ?", arguments: [id])
    }

    public func put(_ row: IntentRow) throws {
        try database.executeCached(
            sql: """
                INSERT OR REPLACE INTO intents (name, kind, subject, boot_id, started_at)
                VALUES (?, ?, ?, ?, ?)
                """,
            arguments: [
                row.name, row.kind.rawValue, row.subject, row.bootID,
                Int64(bitPattern: row.startedAtNanoseconds),
            ])
    }

    public func removeIntent(_ name: String) throws {
        try database.executeCached(sql: "DELETE FROM intents WHERE name = ?", arguments: [name])
    }

    /// Keeps a row of an object whose bytes are on the disk already.
    public func put(_ row: ObjectRow) throws {
        try database.executeCached(
            sql: "INSERT OR IGNORE INTO objects (digest, size_bytes, created_at) VALUES (?, ?, ?)",
            arguments: [row.digest, row.sizeBytes, Int64(bitPattern: row.createdAtNanoseconds)])
    }

    public func removeObject(_ digest: String) throws {
        try database.executeCached(sql: "DELETE FROM objects WHERE digest = ?", arguments: [digest])
    }

    /// One more row of the audit log, for a part of this change.
    public func note(_ origin: ChangeOrigin, subject: String) throws {
        try audit(origin, subject: subject, outcome: "ok")
    }
}

/// Labels as a JSON object with sorted names.
enum Labels {
    static func text(_ labels: [String: String]) -> String {
        var object = JSONObject()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            object[name] = .string(value)
        }
        return String(decoding: JSONValue.object(object).serialized(), as: UTF8.self)
    }

    static func labels(_ text: String) -> [String: String] {
        let members: [JSONObject.Member]
        do { members = try JSONValue.parse(text).object?.members ?? [] } catch { members = [] }
        return Dictionary(
            members.compactMap { member in member.value.string.map { (member.name, $0) } },
            uniquingKeysWith: { $1 })
    }
}

extension Database {
    /// As `execute`, compiled once for the connection: a change has some ten statements, which take
    /// longer to compile than to run.
    func executeCached(sql: String, arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}
