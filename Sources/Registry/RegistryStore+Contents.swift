internal import GRDB

// What a program has beside its object and options: variables that were set, contents of maps.
extension RegistryStore {
    /// The variables that were set after the load, by name.
    public func variables(of program: String) throws(RegistryError) -> [VariableRow] {
        try fetch { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM variables WHERE program = ? ORDER BY name",
                arguments: [program]
            ).map {
                VariableRow(name: $0["name"], value: $0["value"], isPending: $0["pending"])
            }
        }
    }

    /// Notes that a program's variables are in the kernel. Waits for no disk: they are written
    /// again where the note is lost.
    public func settleVariables(of program: String) throws(RegistryError) {
        try writeUnsynchronized { transaction in
            try transaction.database.execute(
                sql: "UPDATE variables SET pending = 0 WHERE program = ?", arguments: [program])
        }
    }

    public func snapshots(of program: String) throws(RegistryError) -> [SnapshotRow] {
        try fetch { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM snapshots WHERE program = ? ORDER BY map",
                arguments: [program]
            ).map {
                SnapshotRow(
                    program: $0["program"], map: $0["map"], file: $0["file"],
                    entries: $0["entries"],
                    takenAtNanoseconds: UInt64(bitPattern: $0["taken_at"]))
            }
        }
    }

    /// The files that hold contents of maps.
    public func snapshotFiles() throws(RegistryError) -> Set<String> {
        try fetch { try Set(String.fetchAll($0, sql: "SELECT file FROM snapshots")) }
    }

    /// Names the file that holds a map's contents from now on; the file is on the disk already. No
    /// revision: nobody has changed anything.
    /// - Returns: the file before it, which can go.
    public func put(_ row: SnapshotRow) throws(RegistryError) -> String? {
        try write { transaction in
            let old = try String.fetchOne(
                transaction.database,
                sql: "SELECT file FROM snapshots WHERE program = ? AND map = ?",
                arguments: [row.program, row.map])
            try transaction.database.execute(
                sql: """
                    INSERT OR REPLACE INTO snapshots (program, map, file, entries, taken_at)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    row.program, row.map, row.file, row.entries,
                    Int64(bitPattern: row.takenAtNanoseconds),
                ])
            return old
        }
    }
}

extension Transaction {
    /// Notes what a variable is set to.
    public func put(_ row: VariableRow, of program: String) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO variables (program, name, value, pending)
                VALUES (?, ?, ?, ?)
                """, arguments: [program, row.name, row.value, row.isPending])
    }

    /// Forgets what maps held: another load has new ones, but for those that it has from the one
    /// before. The files go at the next start.
    public func removeSnapshots(of program: String, but kept: [String]) throws {
        let rows = try String.fetchAll(
            database, sql: "SELECT map FROM snapshots WHERE program = ?", arguments: [program])
        for map in rows where !kept.contains(map) {
            try database.execute(
                sql: "DELETE FROM snapshots WHERE program = ? AND map = ?",
                arguments: [program, map])
        }
    }

    /// Forgets what was set: another load has its own.
    public func removeVariables(of program: String) throws {
        try database.execute(sql: "DELETE FROM variables WHERE program = ?", arguments: [program])
    }
}
