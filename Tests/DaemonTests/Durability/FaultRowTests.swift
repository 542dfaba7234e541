import JSON
import Linux
import TestSupport
import Testing

/// Rows with contents that no release writes, in a registry whose pages are sound: the daemon
/// refuses it with words, or starts and answers. It never dies of it.
@Suite(.requiresRoot) struct FaultRowTests {
    private static let values = [
        "-1", "9223372036854775807", "-9223372036854775807 - 1", "''", "'{}'", "'x'",
        "'[[[[[[[['", "substr({}, 1, length({}) / 2)", "replace({}, '1', '18446744073709551615')",
    ]

    @Test(.needs(.tracepoint)) func `rows with any contents are refused or lived with`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto&label=a=b", file: "counter.bpf.o")
            .answers(201)
        try apiary.curl("PUT /v1/programs/g?global=target_pid=5", file: "globals.bpf.o")
            .answers(201)
        try apiary.curl("PATCH /v1/programs/g/globals", json: #"{"threshold":77}"#).answers(200)
        let manifest = """
            {"owner":"o","programs":[],"maps":[{"map":"c/totals","entries":[{"key":1,"value":5}]}]}
            """
        try apiary.curl("POST /v1/apply", json: manifest).answers(200)
        try apiary.curl("POST /v1/tokens", json: #"{"name":"t","role":"read"}"#).answers(201)
        apiary.stop()
        let registry = apiary.stateDirectory + "/registry.sqlite"
        let sound = apiary.directory + "/sound"
        try Machine.run("cp", "-a", apiary.stateDirectory, sound)
        let columns = try Machine.run(
            "sqlite3", registry,
            """
            SELECT t.name || ' ' || c.name FROM sqlite_master t, pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'grdb%'
            """
        ).split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(columns.count > 50)
        var (number, refused, lived) = (0, 0, 0)
        for column in columns {
            for value in Self.values {
                number += 1
                if number % (FaultRun.isLong ? 2 : 40) != 0 { continue }
                let given = value.replacing("{}", with: column[1])
                let change = "UPDATE \(column[0]) SET \(column[1]) = \(given)"
                try Machine.run("sh", "-c", "cp -a \(sound)/. \(apiary.stateDirectory)/")
                try Machine.run("sh", "-c", "rm -f \(registry)-wal \(registry)-shm")
                // What the table's types do not take is no case.
                guard
                    (try? Machine.run(
                        "sqlite3", registry,
                        "PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0; \(change)"))
                        != nil
                else { continue }
                if try starts(apiary, change) { lived += 1 } else { refused += 1 }
            }
        }
        FaultReport.line(
            "a row with other contents", lived + refused,
            "\(lived) started and answered, \(refused) refused in words")
        #expect(lived > 0)
    }

    /// - Returns: false where it refuses.
    private func starts(_ apiary: TestDaemon, _ change: String) throws -> Bool {
        let before = apiary.log.utf8.count
        do { try apiary.start() } catch {
            let said = String(apiary.log.utf8.dropFirst(before)) ?? ""
            #expect(said.contains("Error: "), "\(change): \(said)")
            #expect(apiary.processIdentifier == nil, "\(change): it hangs")
            apiary.kill9()
            return false
        }
        for path in ["programs", "probes", "maps", "objects", "tokens", "audit", "state"] {
            let status = apiary.attempt("GET /v1/\(path)")
            #expect(status.map { $0 < 500 } == true, "\(change): GET \(path): \(status ?? 0)")
        }
        #expect(apiary.processIdentifier != nil, "\(change)")
        apiary.kill9()
        return true
    }
}
