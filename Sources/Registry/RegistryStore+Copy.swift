internal import GRDB

extension RegistryStore {
    /// Writes a copy of the registry, complete and in one file, to a path where nothing is yet.
    /// - Parameter held: is called with the objects of the copy, in the same moment.
    /// - Returns: those objects, and the copy's revision.
    public func copy(to path: String, _ held: ([ObjectRow]) -> Void) throws(RegistryError)
        -> (objects: [ObjectRow], revision: Int64)
    {
        try exclusively { database in
            // VACUUM runs in no transaction; the queue keeps every other writer out meanwhile.
            try database.execute(sql: "VACUUM INTO ?", arguments: [path])
            let rows = try Row.fetchAll(database, sql: "SELECT * FROM objects ORDER BY digest").map
            {
                ObjectRow(
                    digest: $0["digest"], sizeBytes: $0["size_bytes"],
                    createdAtNanoseconds: UInt64(bitPattern: $0["created_at"]))
            }
            let revision = try Int64.fetchOne(database, sql: "SELECT revision FROM state") ?? 0
            held(rows)
            return (rows, revision)
        }
    }
}
