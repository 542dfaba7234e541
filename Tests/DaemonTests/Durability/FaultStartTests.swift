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
        for point in ["in-migration", "after-migration"] {
            apiary.kill9()
            try OldRegistry.make(of: apiary)
            #expect(try apiary.diesStarting(at: point))
            try apiary.startWithoutFault()
            #expect(try apiary.registered() == before)
            #expect(try apiary.link("c.count") == link)
            try apiary.isSound(point)
            FaultReport.line(
                "kill -9 at \(point) of an upgrade", 1, "the same links, adopted")
        }
    }
}

extension FaultStartTests {
    @Test(.needs(.tracepoint)) func `an upgrade keeps links, counts, events and their cursors`()
        throws
    {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.curl(
            "PUT /v1/programs/e?attach=auto&global=target_pid=\(other.processIdentifier)",
            file: "events.bpf.o"
        ).answers(201)
        try other.getpgid(3)
        let link = try apiary.link("e.send")
        let first = try events(apiary, since: "oldest", count: 3)
        let cursor = try #require(first.first?["cursor"]?.string)
        apiary.kill9()
        try OldRegistry.make(of: apiary)
        try other.getpgid(2)
        try apiary.start()
        #expect(try apiary.link("e.send") == link)
        let later = try events(apiary, since: cursor, count: 4)
        #expect(later.map { $0["data"]?["number"]?.int } == [2, 3, 4, 5])
        #expect(try apiary.global("e", "sent") == 5)
        try apiary.isSound("after an upgrade")
        FaultReport.line(
            "an upgrade with pins and a journal", 1, "same links, no event lost, cursors go on")
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

/// A registry as the first release wrote it: its schema from migrations/, today's rows.
enum OldRegistry {
    static func make(of apiary: TestDaemon) throws {
        let present = apiary.stateDirectory + "/registry.sqlite"
        let old = apiary.stateDirectory + "/old.sqlite"
        let tables: [(String, String)] = [
            ("objects", "digest, size_bytes, created_at"),
            (
                "programs",
                "name, digest, size_bytes, options, labels, state, load_id, boot_id, report, "
                    + "problem, loaded_at, revision"
            ),
            (
                "probes",
                "id, program, function, attach, enabled, labels, state, pin, boot_id, problem, "
                    + "created_at, revision"
            ),
            ("audit", "sequence, time, request_id, actor, action, subject, outcome, revision"),
        ]
        var script =
            ".read \(Repository.root)/migrations/v0001_initial.sql\n"
            + "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);\n"
            + "INSERT INTO grdb_migrations VALUES ('v0001_initial');\n"
            + "ATTACH '\(present)' AS present;\n"
            + "UPDATE state SET revision = (SELECT revision FROM present.state);\n"
        for (table, columns) in tables {
            script += "INSERT INTO \(table) (\(columns)) SELECT \(columns) FROM present.\(table);\n"
        }
        let file = apiary.directory + "/old.sql"
        try FileSystem.replace(file, with: Array(script.utf8).span)
        try Machine.run("sh", "-c", "sqlite3 -bail \(old) < \(file)")
        try Machine.run(
            "sh", "-c", "rm -f \(present)-wal \(present)-shm && mv \(old) \(present)")
    }
}
