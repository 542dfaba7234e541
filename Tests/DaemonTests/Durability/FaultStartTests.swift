import JSON
import Linux
import TestSupport
import Testing

/// `kill -9` while the daemon starts: in the coming back of programs and probes, in undoing, in a
/// migration. The next start comes to the same as one that was left alone.
@Suite(.requiresRoot, .serialized) struct FaultStartTests {
    @Test(.needs(.uprobe)) func `a kill at each point of the start after a reboot`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/h?attach=auto", file: "hooks.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let before = try apiary.registered()
        for point in [
            "after-undo:1", "after-intent:1", "before-load:1", "after-load:2", "after-attach:1",
            "after-attach:3", "after-pin:2", "after-bring-back:1", "after-bring-back:2",
            "before-commit:1", "after-commit:1", "after-commit:2", "before-ready:1",
        ] {
            apiary.kill9()
            try apiary.loseTheKernel()
            #expect(try apiary.diesStarting(at: point), "\(point) is not come by")
            try apiary.startWithoutFault()
            #expect(try apiary.registered() == before, "\(point)")
            try apiary.isSound(point)
            FaultReport.line(
                "kill -9 at \(point) in the start after a reboot", 1,
                "the next start brings all back")
        }
    }

    @Test(.needs(.uprobe)) func `a kill while the start undoes what a kill has left`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/h?attach=auto", file: "hooks.bpf.o").answers(201)
        let before = try apiary.registered()
        for point in ["after-load", "after-pin:3", "before-commit"] {
            for again in ["after-undo", "after-forget", "before-ready"] {
                apiary.stop()
                try apiary.start(faultAt: point)
                let status = apiary.attempt(
                    "PUT /v1/programs/h?attach=auto&global=number=5", file: "hooks.bpf.o")
                #expect(status == nil, "\(point)")
                #expect(try apiary.waitsForDeath())
                #expect(try apiary.diesStarting(at: again), "\(point), \(again)")
                try apiary.startWithoutFault()
                #expect(try apiary.registered() == before, "\(point), \(again)")
                try apiary.isSound("\(point), \(again)")
                FaultReport.line(
                    "kill -9 at \(point) in a replace, then at \(again) in the start", 1,
                    "as before the replace")
            }
        }
    }

    @Test(.needs(.tracepoint))
    func `an older release's registry is brought up to date, also after a kill in that`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let before = try apiary.registered()
        let link = try apiary.link("c.count")
        for version in OldRegistry.versions {
            let steps = OldRegistry.migrations.count - version
            for point in (1...steps).map({ "in-migration:\($0)" }) + ["after-migration"] {
                apiary.kill9()
                try OldRegistry.make(of: apiary, version: version)
                #expect(try apiary.diesStarting(at: point), "\(point) from \(version)")
                try apiary.startWithoutFault()
                #expect(try apiary.registered() == before)
                #expect(try apiary.link("c.count") == link)
                try apiary.isSound("\(point) from \(version)")
                FaultReport.line(
                    "kill -9 at \(point) of an upgrade from schema \(version)", 1,
                    "the same links, adopted")
            }
        }
    }
}

extension FaultStartTests {
    @Test(.needs(.tracepoint), arguments: OldRegistry.versions)
    func `an upgrade keeps links, counts, events and their cursors`(_ version: Int) throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
        try other.getpgid(3)
        let link = try apiary.link("e.send")
        let first = try events(apiary, since: "oldest", count: 3)
        let cursor = try #require(first.first?["cursor"]?.string)
        // Owners came with the third schema, variables that are set with the second.
        let sum = try Machine.run("sha256sum", Repository.object("globals.bpf.o")).prefix(64)
        try apiary.curl("PUT /v1/objects/sha256:\(sum)", file: "globals.bpf.o").answers(201)
        let manifest = """
            {"owner":"team-a","programs":[{"name":"g","object":{"digest":"sha256:\(sum)"}}]}
            """
        try apiary.curl("POST /v1/apply", json: manifest).answers(200)
        try apiary.curl("PATCH /v1/programs/g/globals", json: #"{"threshold":77}"#).answers(200)
        apiary.kill9()
        try OldRegistry.make(of: apiary, version: version)
        try other.getpgid(2)
        try apiary.start()
        #expect(try apiary.link("e.send") == link)
        #expect(try apiary.global("g", "threshold") == 77)
        let owner = try apiary.curl("GET /v1/programs/g").answers(200)["/owner"]?.string
        #expect(owner == (version >= 3 ? "team-a" : nil))
        let later = try events(apiary, since: cursor, count: 4)
        #expect(later.map { $0["data"]?["number"]?.int } == [2, 3, 4, 5])
        #expect(try apiary.global("e", "sent") == 5)
        try apiary.isSound("after an upgrade")
        // Whatever was there, a change is taken, and a reboot brings all back.
        try apiary.curl("POST /v1/apply", json: manifest).answers(200)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        try apiary.curl("GET /v1/probes/e.send").answers(200, #"{"state":"attached"}"#)
        try apiary.isSound("after an upgrade and a reboot")
        FaultReport.line(
            "an upgrade from schema \(version), with pins and a journal", 1,
            "same links, no event lost, cursors go on; a reboot after it too")
    }

    private func events(_ apiary: TestDaemon, since: String, count: Int) throws -> [JSONValue] {
        var found: [JSONValue] = []
        _ = try Machine.waits(seconds: 20) {
            let answer = try apiary.curl("GET /v1/events?program=e&follow=false&since=\(since)")
            found = answer.text.split(separator: "\n").compactMap { line in
                // A line that is no JSON is no event.
                try? JSONValue.parse(String(line))
            }.filter { $0["kind"] == "event" }
            return found.count >= count
        }
        return found
    }
}

/// A registry as an earlier release wrote it: its schema from migrations/, of today's rows what it
/// had a place for.
enum OldRegistry {
    /// The migrations, in their order.
    static let migrations: [String] = {
        // Without them no test here can pass.
        let files = (try? FileSystem.list(Repository.root + "/migrations")) ?? []
        return files.filter { $0.hasSuffix(".sql") }.sorted().map { String($0.dropLast(4)) }
    }()
    /// Schemas of earlier releases: after the first migration, after the second, ….
    static let versions = 1..<migrations.count

    static func make(of apiary: TestDaemon, version: Int = 1) throws {
        let present = apiary.stateDirectory + "/registry.sqlite"
        let old = apiary.stateDirectory + "/old.sqlite"
        var schema = "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);\n"
        for name in migrations.prefix(version) {
            schema += ".read \(Repository.root)/migrations/\(name).sql\n"
            schema += "INSERT INTO grdb_migrations VALUES ('\(name)');\n"
        }
        let file = apiary.directory + "/old.sql"
        func run(_ script: String) throws -> String {
            try FileSystem.replace(file, with: Array(script.utf8).span)
            return try Machine.run("sh", "-c", "sqlite3 -bail \(old) < \(file)")
        }
        _ = try run(schema)
        // Each statement is made by SQLite: the columns are those of the old table.
        let statements = try run(
            """
            SELECT 'INSERT OR REPLACE INTO ' || t.name || ' (' || group_concat(c.name) || ') SELECT '
                || group_concat(c.name) || ' FROM present.' || t.name || ';'
            FROM sqlite_master t, pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'grdb%'
            GROUP BY t.name ORDER BY min(t.rowid);

            """)
        _ = try run("ATTACH '\(present)' AS present;\n" + statements)
        try Machine.run(
            "sh", "-c", "rm -f \(present)-wal \(present)-shm && mv \(old) \(present)")
    }
}
