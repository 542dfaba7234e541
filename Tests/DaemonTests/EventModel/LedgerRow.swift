import JSON
import Testing

/// A stream's row of the ledger, whose numbers must balance whenever it is read.
struct LedgerRow {
    let received: Int

    init(_ row: JSONValue) throws {
        func number(_ name: String) throws -> Int { try #require(row[name]?.int, "\(row.compact)") }
        received = try number("received")
        let invalid = row["invalid"]?.object?.reduce(0) { $0 + ($1.value.int ?? 0) } ?? 0
        let lost = (row.at("/lost/kernel")?.int ?? 0) + (row.at("/lost/journal")?.int ?? 0)
        #expect(try received == number("journaled") + invalid, "\(row.compact)")
        #expect(try number("produced") == received + lost, "\(row.compact)")
        #expect(try number("next_seq") == received + lost + 1, "\(row.compact)")
        for reader in row["readers"]?.array ?? [] {
            let sum = ["delivered", "filtered", "lost", "pending"].compactMap { reader[$0]?.int }
                .reduce(0, +)
            #expect(reader["journaled"]?.int == sum, "\(row.compact)")
        }
    }
}
