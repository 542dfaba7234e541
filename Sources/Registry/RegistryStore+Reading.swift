internal import GRDB

extension RegistryStore {
    /// The number of the last change.
    public func revision() throws(RegistryError) -> Int64 {
        try fetch { try Int64.fetchOne($0, sql: "SELECT revision FROM state") ?? 0 }
    }

    /// All programs, by name.
    public func programs() throws(RegistryError) -> [ProgramRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM programs ORDER BY name").map(program)
        }
    }

    /// All probes, in the order in which they were made.
    public func probes() throws(RegistryError) -> [ProbeRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM probes ORDER BY created_at, id")
                .map(probe)
        }
    }

    public func intents() throws(RegistryError) -> [IntentRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM intents ORDER BY started_at").map(intent)
        }
    }

    /// All that is registered, as it was at one moment.
    public func picture() throws(RegistryError) -> RegistryPicture {
        try fetch { database in
            RegistryPicture(
                revision: try Int64.fetchOne(database, sql: "SELECT revision FROM state") ?? 0,
                programs: try Row.fetchAll(database, sql: "SELECT * FROM programs ORDER BY name")
                    .map(program),
                probes: try Row.fetchAll(
                    database, sql: "SELECT * FROM probes ORDER BY created_at, id"
                ).map(probe),
                objects: try Row.fetchAll(database, sql: "SELECT * FROM objects ORDER BY digest")
                    .map(object),
                intents: try Row.fetchAll(
                    database, sql: "SELECT * FROM intents ORDER BY started_at"
                ).map(intent))
        }
    }

    /// What SQLite finds wrong with the file, at most 20 lines; none: it is sound.
    public func quickCheck() throws(RegistryError) -> [String] {
        let lines = try fetch { try String.fetchAll($0, sql: "PRAGMA quick_check(20)") }
        return lines == ["ok"] ? [] : lines
    }

    private func intent(_ row: Row) -> IntentRow {
        IntentRow(
            name: row["name"], kind: IntentRow.Kind(rawValue: row["kind"]) ?? .load,
            subject: row["subject"], bootID: row["boot_id"],
            startedAtNanoseconds: UInt64(bitPattern: row["started_at"]))
    }

    /// The object with this digest, where it is kept.
    public func object(_ digest: String) throws(RegistryError) -> ObjectRow? {
        try fetch { database in
            try Row.fetchOne(
                database, sql: "SELECT * FROM objects WHERE digest = ?", arguments: [digest]
            ).map(object)
        }
    }

    /// At most `limit` objects whose digest is greater than `after`, by digest.
    public func objects(after: String, limit: Int) throws(RegistryError) -> [ObjectRow] {
        try fetch { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM objects WHERE digest > ? ORDER BY digest LIMIT ?",
                arguments: [after, limit]
            ).map(object)
        }
    }

    /// At most `limit` audit rows before `before`, the newest first.
    public func auditLog(before: Int64, limit: Int, _ filter: AuditFilter)
        throws(RegistryError) -> [AuditRow]
    {
        try fetch { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM audit WHERE sequence < :before
                        AND actor = coalesce(:actor, actor)
                        AND action = coalesce(:action, action)
                        AND subject = coalesce(:subject, subject)
                        AND outcome = coalesce(:outcome, outcome)
                    ORDER BY sequence DESC LIMIT :limit
                    """,
                arguments: [
                    "before": before, "actor": filter.actor, "action": filter.action,
                    "subject": filter.subject, "outcome": filter.outcome, "limit": limit,
                ]
            ).map { AuditRow($0) }
        }
    }

    private func program(_ row: Row) -> ProgramRow {
        var program = ProgramRow(
            name: row["name"], digest: row["digest"], sizeBytes: row["size_bytes"],
            options: row["options"], labels: Labels.labels(row["labels"]),
            state: RowState(rawValue: row["state"]) ?? .failed, loadID: row["load_id"],
            bootID: row["boot_id"], report: row["report"], problem: row["problem"],
            loadedAtNanoseconds: UInt64(bitPattern: row["loaded_at"]), revision: row["revision"])
        program.kernelIDs = row["kernel_ids"]
        return program
    }

    private func probe(_ row: Row) -> ProbeRow {
        var probe = ProbeRow(
            id: row["id"], program: row["program"], function: row["function"],
            attach: row["attach"], enabled: row["enabled"],
            labels: Labels.labels(row["labels"]),
            state: RowState(rawValue: row["state"]) ?? .failed, pin: row["pin"],
            bootID: row["boot_id"], problem: row["problem"],
            createdAtNanoseconds: UInt64(bitPattern: row["created_at"]),
            revision: row["revision"])
        let ids: String = row["link_ids"]
        probe.linkIDs = ids.split(separator: " ").compactMap { UInt32($0) }
        probe.target = row["target"]
        probe.whenGone = WhenGone(rawValue: row["when_gone"]) ?? .fail
        return probe
    }

    private func object(_ row: Row) -> ObjectRow {
        ObjectRow(
            digest: row["digest"], sizeBytes: row["size_bytes"],
            createdAtNanoseconds: UInt64(bitPattern: row["created_at"]))
    }
}
