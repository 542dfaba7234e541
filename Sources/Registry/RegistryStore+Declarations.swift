internal import GRDB

// What manifests declare: owners, entries, and how to undo an apply that was cut off.

extension RegistryStore {
    /// Who declared what, by kind and name.
    public func owners() throws(RegistryError) -> [OwnerRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM owners ORDER BY kind, name").map { row in
                OwnerRow(
                    kind: OwnerRow.Kind(rawValue: row["kind"]) ?? .program, name: row["name"],
                    owner: row["owner"])
            }
        }
    }

    /// The declared entries of one program's maps, or of all, by map and key.
    public func declaredEntries(ofProgram program: String? = nil) throws(RegistryError)
        -> [DeclaredEntryRow]
    {
        try fetch { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM declared_entries WHERE program = coalesce(?, program)
                    ORDER BY program, map, key
                    """, arguments: [program]
            ).map { row in
                DeclaredEntryRow(
                    program: row["program"], map: row["map"], key: row["key"],
                    document: row["document"], owner: row["owner"])
            }
        }
    }

    /// What is to be undone, the last first.
    public func entryUndo() throws(RegistryError) -> [EntryUndoRow] {
        try fetch { database in
            try Row.fetchAll(database, sql: "SELECT * FROM entry_undo ORDER BY sequence DESC").map {
                EntryUndoRow(
                    program: $0["program"], loadID: $0["load_id"], map: $0["map"],
                    document: $0["document"], wasAbsent: $0["was_absent"])
            }
        }
    }

    /// Notes how to undo writes that are about to be made. Survives the daemon; the maps do not
    /// survive a power cut either, and so the commit waits for no disk.
    public func noteUndo(_ rows: [EntryUndoRow]) throws(RegistryError) {
        try writeUnsynchronized { transaction in
            for row in rows {
                try transaction.database.execute(
                    sql: """
                        INSERT INTO entry_undo (program, load_id, map, document, was_absent)
                        VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [row.program, row.loadID, row.map, row.document, row.wasAbsent])
            }
        }
    }

    /// Forgets what was undone.
    public func forgetUndo() throws(RegistryError) {
        try writeUnsynchronized { try $0.forgetUndo() }
    }
}

extension Transaction {
    public func put(_ row: OwnerRow) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO owners (kind, name, owner) VALUES (?, ?, ?)",
            arguments: [row.kind.rawValue, row.name, row.owner])
    }

    public func put(_ row: DeclaredEntryRow) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO declared_entries (program, map, key, document, owner)
                VALUES (?, ?, ?, ?, ?)
                """, arguments: [row.program, row.map, row.key, row.document, row.owner])
    }

    public func removeDeclaredEntry(_ row: DeclaredEntryRow) throws {
        try database.execute(
            sql: "DELETE FROM declared_entries WHERE program = ? AND map = ? AND key = ?",
            arguments: [row.program, row.map, row.key])
    }

    /// What was written stays: the change has come to its end.
    public func forgetUndo() throws {
        try database.execute(sql: "DELETE FROM entry_undo")
    }
}
