internal import Assets
internal import Foundation
internal import GRDB
internal import Linux

/// Programs, probes, kept objects, intents, the audit log and the revision, in one SQLite file.
///
/// One connection on one queue, write-ahead log, `synchronous=FULL`: when a change returns, it is
/// on the disk. Every call blocks (a commit is an fsync): call it from workers, never an HTTP
/// thread.
public final class RegistryStore: Sendable {
    private let queue: DatabaseQueue
    private let auditLimit: Int
    private let audited: @Sendable (AuditRow) -> Void

    /// Opens or makes the registry and brings its schema up to date.
    /// - Throws: `newer` where a later release wrote the file; `corrupt` where it is no database or
    ///   `PRAGMA quick_check` finds faults (the file is left as it is).
    /// - Parameters:
    ///   - auditLimit: the audit log keeps at least so many rows, and at most 63 more.
    ///   - audited: is told each row of the audit log when it is committed.
    public init(
        path: String, auditLimit: Int = 100_000,
        audited: @escaping @Sendable (AuditRow) -> Void = { _ in }
    ) throws(RegistryError) {
        self.auditLimit = auditLimit
        self.audited = audited
        do {
            try Self.inspect(path)
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.foreignKeysEnabled = true
            configuration.busyMode = .timeout(5)
            configuration.label = "registry"
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try Self.migrate(queue)
            try Self.checkColumns(queue)
            try queue.writeWithoutTransaction { database in
                // GRDB lowers synchronous to NORMAL when it sets WAL; what is acknowledged must
                // be durable.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                // In KiB. The kernel caches the file too; 2 MiB of it twice help nobody.
                try database.execute(sql: "PRAGMA cache_size = -512")
            }
        } catch {
            throw Self.translate(error)
        }
    }

    /// Looks at a file that is there before anything can write to it: a broken one, and one of a
    /// later release, stay as they are.
    private static func inspect(_ path: String) throws {
        guard FileSystem.exists(path) else { return }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let reader = try DatabaseQueue(path: path, configuration: configuration)
        let (check, isPresent) = try reader.read { database in
            if try Migrations.migrator.hasBeenSuperseded(database) { throw newer }
            return (
                try String.fetchAll(database, sql: "PRAGMA quick_check(5)"),
                try Migrations.migrator.hasCompletedMigrations(database)
            )
        }
        guard check == ["ok"] else {
            throw RegistryError(kind: .corrupt, reason: check.joined(separator: "; "))
        }
        if isPresent { try checkColumns(reader) }
        try reader.close()
    }

    /// What is read below must be there: damage may have hit the schema's own text.
    private static func checkColumns(_ queue: DatabaseQueue) throws {
        let columns = [
            ("state", "id, revision, format"), ("objects", "digest, size_bytes, created_at"),
            (
                "programs",
                "name, digest, size_bytes, options, labels, state, load_id, boot_id, report, "
                    + "problem, loaded_at, kernel_ids, revision"
            ),
            (
                "probes",
                "id, program, function, attach, enabled, labels, state, pin, boot_id, problem, "
                    + "created_at, link_ids, target, when_gone, revision"
            ),
            ("intents", "name, kind, subject, boot_id, started_at"),
            ("variables", "program, name, value, pending"),
            ("snapshots", "program, map, file, entries, taken_at"),
            (
                "audit",
                "sequence, time, request_id, actor, action, subject, outcome, revision"
            ),
        ]
        do {
            try queue.read { database in
                for (table, names) in columns {
                    _ = try Row.fetchOne(database, sql: "SELECT \(names) FROM \(table) LIMIT 0")
                }
            }
        } catch let error as DatabaseError {
            throw RegistryError(kind: .corrupt, reason: "its schema is damaged: \(error)")
        }
    }

    /// Moves all that is in the write-ahead log into the file, and empties the log.
    public func checkpoint() throws(RegistryError) {
        do {
            try queue.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        } catch {
            throw Self.translate(error)
        }
    }

    /// Opens a registry for reading alone; a daemon may be at work with it.
    /// - Throws: `older` where a daemon of this release has not opened it yet; else as
    ///   `init(path:)`.
    public init(reading path: String) throws(RegistryError) {
        auditLimit = .max
        audited = { _ in }
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            configuration.label = "registry-reader"
            queue = try DatabaseQueue(path: path, configuration: configuration)
            let migrator = Migrations.migrator
            let (isNewer, isComplete) = try queue.read { database in
                (
                    try migrator.hasBeenSuperseded(database),
                    try migrator.hasCompletedMigrations(database)
                )
            }
            if isNewer { throw Self.newer }
            if !isComplete {
                throw RegistryError(
                    kind: .older,
                    reason: "the registry is an earlier release's: start this release's daemon once"
                )
            }
        } catch {
            throw Self.translate(error)
        }
    }

    private static func migrate(_ queue: DatabaseQueue) throws {
        let migrator = Migrations.migrator
        if try queue.read({ try migrator.hasBeenSuperseded($0) }) { throw newer }
        try migrator.migrate(queue)
        fault(.afterMigration)
    }

    private static let newer = RegistryError(
        kind: .newer,
        reason: "the registry was written by a later release of apiary; run that release")

    /// Runs `body` in one transaction, with the next revision and one audit row, and gives that
    /// revision. Rows that `body` puts get it too.
    @discardableResult
    public func change(
        _ origin: ChangeOrigin, subject: String,
        _ body: (Transaction) throws -> Void
    ) throws(RegistryError) -> Int64 {
        try write { transaction in
            let raise = try transaction.database.cachedStatement(
                sql: "UPDATE state SET revision = revision + 1 RETURNING revision")
            transaction.revision = try Int64.fetchOne(raise) ?? 0
            try body(transaction)
            try transaction.audit(origin, subject: subject, outcome: "ok")
            fault(.beforeCommit)
            return transaction.revision
        }
    }

    /// Notes what is about to be made or removed below our bpffs. No revision: nothing changed yet.
    ///
    /// Survives the daemon, but not a power cut: bpffs does not survive that either, and so the
    /// commit waits for no disk.
    public func intend(_ intents: [IntentRow]) throws(RegistryError) {
        try writeUnsynchronized { transaction in
            for intent in intents { try transaction.put(intent) }
        }
        fault(.afterIntent)
    }

    /// Forgets intents whose things are gone from bpffs, or never came to be.
    public func forget(intents names: [String]) throws(RegistryError) {
        guard !names.isEmpty else { return }
        try writeUnsynchronized { transaction in
            for name in names { try transaction.removeIntent(name) }
        }
        fault(.afterForget)
    }

    /// Notes what was asked for and changes nothing that is registered.
    public func note(_ origin: ChangeOrigin, subject: String) throws(RegistryError) {
        try write { transaction in
            try transaction.audit(origin, subject: subject, outcome: "ok")
        }
    }

    /// Notes attempts that made no revision, each with its outcome, in one transaction that waits
    /// for no disk: what a crash of the host takes away was no change.
    public func audit(_ attempts: [(origin: ChangeOrigin, subject: String, outcome: String)])
        throws(RegistryError)
    {
        try writeUnsynchronized { transaction in
            for attempt in attempts {
                try transaction.audit(
                    attempt.origin, subject: attempt.subject, outcome: attempt.outcome)
            }
        }
    }

    /// Notes an attempt that was refused, with the problem's code.
    public func auditRefusal(_ origin: ChangeOrigin, subject: String, code: String)
        throws(RegistryError)
    {
        try write { transaction in
            try transaction.audit(origin, subject: subject, outcome: code)
        }
    }

    /// Runs `body` outside of a transaction, while nobody else writes.
    func exclusively<R>(_ body: (Database) throws -> R) throws(RegistryError) -> R {
        do { return try queue.writeWithoutTransaction(body) } catch { throw Self.translate(error) }
    }

    func write<R>(_ body: (Transaction) throws -> R) throws(RegistryError) -> R {
        do {
            let (result, rows) = try queue.write { database in
                let transaction = Transaction(database, auditLimit: auditLimit)
                return (try body(transaction), transaction.audited)
            }
            fault(.afterCommit)
            for row in rows { audited(row) }
            return result
        } catch {
            throw Self.translate(error)
        }
    }

    /// One transaction that is in the write-ahead log, and on the disk with the next synchronized
    /// one.
    func writeUnsynchronized(_ body: (Transaction) throws -> Void) throws(RegistryError) {
        do {
            let rows = try queue.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = NORMAL")
                defer { Self.synchronizeFully(database) }
                let transaction = Transaction(database, auditLimit: auditLimit)
                try database.inTransaction {
                    try body(transaction)
                    return .commit
                }
                return transaction.audited
            }
            for row in rows { audited(row) }
        } catch {
            throw Self.translate(error)
        }
    }

    private static func synchronizeFully(_ database: Database) {
        do { try database.execute(sql: "PRAGMA synchronous = FULL") } catch {
            preconditionFailure("SQLite does not take PRAGMA synchronous: \(error)")
        }
    }

    func fetch<R>(_ body: (Database) throws -> R) throws(RegistryError) -> R {
        do { return try queue.read(body) } catch { throw Self.translate(error) }
    }

    /// Descriptors that SQLite holds at once beyond the registry's own, at most: a copy, its
    /// journal, a temporary file, and the directory that it synchronizes.
    private static let openedAtOnce = 6

    private static func translate(_ error: any Error) -> RegistryError {
        if let error = error as? RegistryError { return error }
        guard let error = error as? DatabaseError else {
            return RegistryError(kind: .other, reason: "\(error)")
        }
        let kind: RegistryError.Kind =
            switch error.resultCode {
            case .SQLITE_FULL: .full
            case .SQLITE_NOMEM: .exhausted
            case .SQLITE_CANTOPEN where !FileDescriptor.canOpen(openedAtOnce): .exhausted
            case .SQLITE_IOERR, .SQLITE_CANTOPEN: .io
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt
            case .SQLITE_READONLY: .readOnly
            case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
            default: .other
            }
        return RegistryError(kind: kind, reason: error.description)
    }
}

/// The schema's steps, from `migrations/`, carried in the executable. Each is applied once, in
/// order, and never edited after a release.
enum Migrations {
    static let all: [(name: String, sql: String)] = [
        ("v0001_initial", Asset.initialMigration.text),
        ("v0002_durability", Asset.durabilityMigration.text),
        ("v0003_apply", Asset.applyMigration.text),
        ("v0004_tokens", Asset.tokensMigration.text),
    ]

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for (name, sql) in all {
            migrator.registerMigration(name) {
                try $0.execute(sql: sql)
                fault(.inMigration)
            }
        }
        return migrator
    }
}
