import BPF
import ControlPlane
import TestSupport
import Testing

/// The table of docs/maps.md and the one that the daemon goes by, held against each other.
struct MapTableTests {
    /// Cells of the rows that begin with a type: `| `hash` | read, write | … |`.
    /// That table alone has five columns.
    private func rows() throws -> [[String]] {
        let lines = try Repository.text("docs/maps.md").split(separator: "\n")
        return lines.filter { $0.hasPrefix("| `") }.map { line in
            line.split(separator: "|").map { cell in
                String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
        }.filter { $0.count == 5 }
    }

    @Test func `the documentation has a row for each type, in the kernel's order`() throws {
        let types = try rows().map { $0[0].filter { $0 != "`" } }
        #expect(types == MapAbilities.table.map(\.type.name))
        #expect(types == MapType.all.map(\.name))
    }

    @Test func `each row tells what the daemon allows, and where to go for the rest`() throws {
        for (row, abilities) in zip(try rows(), MapAbilities.table) {
            let told = row[1] == "nothing" ? [] : row[1].split(separator: ", ").map(String.init)
            let allowed = MapUse.allCases.filter(abilities.uses.contains).map(\.rawValue)
            #expect(told == allowed, "\(row[0])")
            #expect(
                row.last?.filter { $0 != "`" } == abilities.instead.filter { $0 != "`" },
                "\(row[0])")
        }
    }
}
