import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct AuditTests {
    /// What a command of ours said, and whether it went well.
    private struct Said {
        let text: String
        let isFine: Bool
    }

    private func command(_ apiary: TestDaemon, _ arguments: String...) throws -> Said {
        try run(
            arguments + [
                "--runtime-dir", apiary.runtimeDirectory, "--state-dir", apiary.stateDirectory,
                "--socket", apiary.socket,
            ])
    }

    private func run(_ arguments: [String]) throws -> Said {
        let exit = try Child.run(
            Repository.buildDirectory + "/apiary", arguments: arguments,
            environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 60_000,
            outputLimit: 1 << 20)
        let isFine = exit.reason == .exited(0)
        return Said(
            text: String(decoding: exit.output + exit.errors, as: UTF8.self), isFine: isFine)
    }

    private func rows(_ apiary: TestDaemon, _ query: String) throws -> [JSONValue] {
        try apiary.curl("GET /v1/audit?\(query)").answers(200)["/items"]?.array ?? []
    }

    @Test func `changes and denied attempts are there, with who, from where and what`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "socket_mode=666"])
        try apiary.openDirectories()
        try apiary.curl("PUT /v1/programs/c", file: "counts.bpf.o").answers(201)
        let loaded = try #require(try rows(apiary, "action=put_program").first)
        #expect(loaded["digest"]?.string?.hasPrefix("sha256:") == true)
        #expect(loaded["peer"]?.string?.hasPrefix("unix:uid=0,gid=0,pid=") == true)
        #expect(loaded["outcome"] == "ok")
        let stranger = CurlReach.user(4002, socket: apiary.socket)
        try apiary.curl("DELETE /v1/programs/c", by: stranger).answers(403)
        #expect(try Machine.waits { try !rows(apiary, "outcome=forbidden").isEmpty })
        let denied = try #require(try rows(apiary, "outcome=forbidden").first)
        #expect(denied["actor"]?.string?.hasPrefix("unix:uid=4002") == true)
        #expect(denied["subject"] == "programs/c")
        try apiary.curl("GET /v1/audit/chain").answers(200, #"{"intact":true,"broken_at":null}"#)
        #expect(apiary.log.contains("outcome=forbidden"))
        #expect(apiary.log.contains("hash=" + (loaded["hash"]?.string ?? "?")))
    }

    @Test func `a flood of denied attempts leaves a bounded trace, with their number`() throws {
        let port = try TestDaemon.freePort()
        let apiary = try TestDaemon(arguments: ["--listen", "127.0.0.1:\(port)"])
        let began = Clock.monotonicNanoseconds()
        try Machine.run(
            "curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/v1/programs#[1-1500]")
        _ = try eventually {
            // The next one that is noted brings the number of those that were not.
            try apiary.curl("GET /v1/programs", by: .tcp(port)).answers(401)
            return try rows(apiary, "action=not_recorded").isEmpty ? nil : true
        }
        let noted = try rows(apiary, "outcome=unauthenticated&limit=1000").count
        let seconds = Int((Clock.monotonicNanoseconds() - began) / 1_000_000_000)
        #expect(noted >= 100 && noted <= 102 + seconds, "\(noted) in \(seconds) s")
        try apiary.curl("GET /v1/audit/chain").answers(200, #"{"intact":true,"broken_at":null}"#)
    }

    @Test func `writes to maps are noted, without key or value`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c", file: "maps.bpf.o").answers(201)
        try apiary.curl(
            "PUT /v1/maps/c/row/entries/3", json: #"{"value":987656789}"#
        ).answers(200)
        #expect(try Machine.waits { try !rows(apiary, "action=put_entry").isEmpty })
        let all = try apiary.curl("GET /v1/audit").answers(200)
        #expect(all.text.contains("maps/c/row\""))
        #expect(!all.text.contains("987656789") && !all.text.contains("row/3"))
        #expect(!apiary.log.contains("987656789"))
    }

    /// A write whose body is still on its way when the daemon is told to stop.
    @Test func `a write that ends while the daemon stops is noted`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c", file: "maps.bpf.o").answers(201)
        for round in 1... {
            let path = apiary.directory + "/round\(round)"
            let curl = "curl -s --unix-socket \(apiary.socket)"
            let url = "http://localhost/v1/maps/c/row/entries/\(round)"
            let script = """
                \(curl) -N http://localhost/v1/events >\(path).events &
                (printf '{"val'; touch \(path).sent
                    while [ ! -e \(path).go ]; do sleep 0.02; done; printf 'ue":1}') |
                    \(curl) -T - -H 'Expect:' -H 'Content-Type: application/json' '\(url)' \
                        >\(path).answer
                wait
                """
            let clients = try NamedThread("clients") {
                // What they were told is in the files.
                _ = try? Machine.run("sh", "-c", script)
            }
            func events() -> String { FileSystem.text(path + ".events") ?? "" }
            #expect(
                try Machine.waits {
                    events().contains("hello") && FileSystem.exists(path + ".sent")
                })
            apiary.signal(15)
            #expect(try Machine.waits { events().contains("shutdown") })
            // Whatever else of it is to end has time for that now.
            Clock.sleep(nanoseconds: 200_000_000)
            try FileSystem.replace(path + ".go", with: [UInt8]().span)
            #expect(try apiary.waitsForDeath())
            clients.join()
            try apiary.start()
            // On a machine that is too busy the stop was over before the body came.
            let answer = FileSystem.text(path + ".answer") ?? ""
            if answer.contains("\"value\"") || round == 5 {
                #expect(try !rows(apiary, "action=put_entry").isEmpty, "\(answer)")
                return
            }
        }
    }

    @Test func `a row that was changed, removed or cut off breaks the chain`() throws {
        let apiary = try TestDaemon()
        for name in ["a", "b", "c", "d"] {
            try apiary.curl("POST /v1/tokens", json: #"{"name":"\#(name)","role":"read"}"#)
                .answers(201)
        }
        let intact = try command(apiary, "audit", "verify")
        #expect(intact.isFine && intact.text.hasPrefix("intact: 4 rows, head "), "\(intact.text)")
        apiary.stop()
        let path = apiary.stateDirectory + "/registry.sqlite"
        let copy = apiary.directory + "/broken"
        try FileSystem.makeDirectories(copy)
        for change in [
            "UPDATE audit SET actor = 'x' WHERE sequence = 2",
            "DELETE FROM audit WHERE sequence = 3", "DELETE FROM audit WHERE sequence = 4",
        ] {
            let bytes = try FileSystem.read(path)
            try FileSystem.replace(copy + "/registry.sqlite", with: bytes.span)
            let database = [copy + "/registry.sqlite", change]
            _ = try Child.run(
                "/usr/bin/sqlite3", arguments: database, deadlineMilliseconds: 10_000,
                outputLimit: 4096)
            let broken = try run([
                "audit", "verify", "--state-dir", copy, "--socket", copy + "/none.sock",
            ])
            let row = change.hasPrefix("UPDATE") ? 2 : 4
            #expect(broken.text.hasPrefix("broken at row \(row)"), "\(change): \(broken.text)")
            #expect(!broken.isFine)
        }
    }

    @Test func `tokens are made by the command, with the daemon and without it`() throws {
        let apiary = try TestDaemon()
        let made = try command(
            apiary, "token", "create", "one", "--role", "read", "--expires-in", "1h")
        #expect(made.isFine && made.text.hasPrefix("apy_"), "\(made.text)")
        let bearer = "Authorization: Bearer " + made.text.prefix { $0 != "\n" }
        try apiary.curl("GET /v1/programs", bearer).answers(200)
        let again = try command(apiary, "token", "create", "one", "--role", "read")
        #expect(!again.isFine)
        let unknown = try command(apiary, "token", "create", "two", "--role", "chief")
        #expect(!unknown.isFine)
        apiary.stop()
        let offline = try command(
            apiary, "token", "create", "two", "--role", "operate", "--program", "team-a.*")
        #expect(offline.text.hasPrefix("apy_"), "\(offline.text)")
        let list = try command(apiary, "token", "list").text
        #expect(list.contains("one\tread\t*\t") && list.contains("two\toperate\tteam-a.*\t"))
        let revoked = try command(apiary, "token", "revoke", "one")
        let missing = try command(apiary, "token", "revoke", "one")
        #expect(revoked.isFine && !missing.isFine)
        try apiary.start()
        try apiary.curl("GET /v1/programs", bearer).answers(401)
        let other = "Authorization: Bearer " + offline.text.prefix { $0 != "\n" }
        try apiary.curl("GET /v1/programs", other).answers(200)
        try apiary.curl("GET /v1/tokens", other).answers(403)
    }

    @Test func `the log is bounded, and its chain begins later then`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "audit_rows=64"])
        for _ in 0..<80 {
            try apiary.curl("POST /v1/tokens", json: #"{"name":"t","role":"read"}"#).answers(201)
            try apiary.curl("DELETE /v1/tokens/t").answers(204)
        }
        let chain = try apiary.curl("GET /v1/audit/chain").answers(200, #"{"intact":true}"#)
        #expect(chain["/last_sequence"]?.int == 160)
        #expect((64...127).contains(chain["/rows"]?.int ?? 0))
    }
}
