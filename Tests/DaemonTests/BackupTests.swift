import JSON
import Linux
import TestSupport
import Testing

/// One file with registry and objects, taken while the daemon runs, and what another host makes of it.
@Suite(.requiresRoot) struct BackupTests {
    private func restore(_ file: String, into directory: String, _ more: String = "") throws
        -> (status: Int32, output: String)
    {
        let output = try Machine.run(
            "sh", "-c",
            """
            \(Repository.buildDirectory)/apiary restore \(file) --state-dir \(directory)/state \
            --runtime-dir \(directory)/run --bpffs \(directory)/bpffs \(more) 2>&1
            echo "status=$?"
            """)
        let parts = output.split(separator: "status=")
        let status = Int32(parts.last?.trimmed ?? "") ?? -1
        return (status, String(output.dropLast(parts.last.map { $0.count + 7 } ?? 0)))
    }

    /// Takes a backup by curl into a file.
    private func backup(_ apiary: TestDaemon) throws -> String {
        let file = apiary.directory + "/backup.tar"
        let answer = try apiary.curl("GET /v1/backup").answers(200)
        #expect(answer.mediaType == "application/x-tar")
        try FileSystem.replace(file, with: answer.body.span)
        return file
    }

    @Test(.needs(.tracepoint)) func `a backup makes the same programs and probes elsewhere`() throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/hooks?global=target_pid=7", file: "hooks.bpf.o")
            .answers(201)
        let manifest = """
            {"owner":"a","probes":[{"id":"calls","program":"hooks","function":"on_tracepoint"},
             {"id":"off","program":"hooks","function":"on_raw","enabled":false}]}
            """
        try apiary.curl("POST /v1/apply", json: manifest).answers(200)
        try apiary.curl("PUT /v1/programs/counter?attach=auto", file: "counter.bpf.o").answers(201)
        let file = try backup(apiary)
        // Any tar reads it.
        let names = try Machine.run("tar", "-tf", file).split(separator: "\n")
        #expect(names.prefix(2) == ["backup.json", "registry.sqlite"])
        #expect(names.count == 4)
        let listing = try JSONValue.parse(try Machine.run("tar", "-xOf", file, "backup.json"))
        #expect(listing["objects"]?.array?.count == 2)
        #expect(try FileSystem.list(apiary.stateDirectory).filter { $0.hasSuffix(".tmp") } == [])
        let state = try apiary.curl("GET /v1/state").answers(200)

        let other = try TestDaemon(isStarted: false)
        let restored = try restore(file, into: other.directory)
        #expect(restored.status == 0, "\(restored.output)")
        #expect(restored.output.contains("restored 2 programs, 3 probes, 2 objects"))
        #expect(restored.output.contains("disabled   probe off"))
        #expect(try other.pins == [])
        try other.start()
        #expect(try other.curl("GET /v1/state").json == state.json)
        try other.curl("GET /v1/probes/calls").answers(200, #"{"state":"attached","owner":"a"}"#)
        try other.isSound("restored")
        // The one that it was taken from goes on.
        try apiary.curl("POST /v1/apply", json: manifest).answers(200, #"{"changed":false}"#)
        try apiary.isSound("backed up")
    }

    @Test(.needs(.tracepoint)) func `what the host cannot attach is told`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/hooks", file: "hooks.bpf.o").answers(201)
        try apiary.curl(
            "PUT /v1/probes/calls", json: #"{"program":"hooks","function":"on_tracepoint"}"#
        ).answers(201)
        apiary.stop()
        try Machine.run(
            "sqlite3", apiary.stateDirectory + "/registry.sqlite",
            "UPDATE probes SET attach = replace(attach, 'sys_enter_getpgid', 'sys_enter_elsewhere')"
        )
        try apiary.start()
        let file = try backup(apiary)
        let other = try TestDaemon(isStarted: false)
        let table = try restore(file, into: other.directory)
        #expect(table.status == 3, "\(table.output)")
        #expect(
            table.output.contains(
                "impossible probe calls: target_not_found: This kernel has no tracepoint"))
        let lines = try restore(file, into: other.directory, "--force --json")
        #expect(lines.status == 3, "\(lines.output)")
        let verdicts = try lines.output.split(separator: "\n").map {
            try JSONValue.parse(String($0))
        }
        #expect(verdicts.map { $0["verdict"] } == ["possible", "impossible"])
        #expect(verdicts.last?["code"] == "target_not_found")
        let quiet = try restore(file, into: other.directory, "--force --without-trial")
        #expect(quiet.status == 0)
        #expect(quiet.output.contains("what was there is in"))
    }

    @Test func `a backup that is not whole, or a directory in use, changes nothing`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/counter", file: "counter.bpf.o").answers(201)
        let file = try backup(apiary)
        let other = try TestDaemon(isStarted: false)
        let whole = try FileSystem.read(file)
        let bad = apiary.directory + "/bad.tar"
        func refused(_ bytes: [UInt8], _ why: String) throws {
            try FileSystem.replace(bad, with: bytes.span)
            let answer = try restore(bad, into: other.directory)
            #expect(answer.status == 1, "\(why): \(answer.output)")
            #expect(answer.output.contains("Nothing was changed"), "\(why): \(answer.output)")
            let left = try FileSystem.list(other.stateDirectory).filter { $0 != "lock" }
            #expect(left == [], "\(why)")
        }
        for count in [0, 100, 512, 1024, 4096, whole.count / 2, whole.count - 1025] {
            try refused(Array(whole.prefix(count)), "cut off at \(count)")
        }
        // One bit of a header, one of the registry, one of the object.
        let object = try #require(whole.indices.last { whole[$0] == 0x7F && whole[$0 + 1] == 0x45 })
        for place in [10, 4096, object + 300] {
            var bytes = whole
            bytes[place] ^= 1
            try refused(bytes, "a bit at \(place)")
        }
        try refused([UInt8](repeating: 0, count: 10240), "zeros")
        try refused(Array("{}".utf8), "JSON")
        let missing = try restore("/nonexistent.tar", into: other.directory)
        #expect(missing.status == 1 && missing.output.contains("ENOENT"))
        // Nor is a directory made that was not there.
        try FileSystem.removeTree(other.stateDirectory)
        #expect(try restore(bad, into: other.directory).status == 1)
        #expect(!FileSystem.exists(other.stateDirectory))

        let running = try restore(file, into: apiary.directory, "--force")
        #expect(running.status == 1 && running.output.contains("Another apiary runs"))
        apiary.stop()
        let used = try restore(file, into: apiary.directory)
        #expect(used.status == 1 && used.output.contains("is not empty"))
        try apiary.start()
        try apiary.curl("GET /v1/programs/counter").answers(200, #"{"state":"loaded"}"#)
    }

    @Test(.needs(.tracepoint)) func `a backup under changes is one moment's`() throws {
        let apiary = try TestDaemon()
        let base = "http://localhost/v1"
        let curl = "curl -s -o /dev/null --unix-socket \(apiary.socket)"
        let objects = ["counter", "hooks", "events"].map { Repository.object($0 + ".bpf.o") }
        let shell = try NamedThread("changes") {
            // Ends with its count; what it makes is what the backups are about.
            _ = try? Machine.run(
                "sh", "-c",
                """
                for i in 1 2 3 4 5 6 7 8; do
                    for o in \(objects.joined(separator: " ")); do
                        \(curl) -T $o "\(base)/programs/p$i"
                        \(curl) -X DELETE "\(base)/programs/p$i"
                        \(curl) -X DELETE "\(base)/objects?unused=true"
                    done
                done
                """)
        }
        let other = try TestDaemon(isStarted: false)
        for _ in 0..<6 {
            let restored = try restore(try backup(apiary), into: other.directory, "--force")
            #expect([0, 3].contains(restored.status), "\(restored.output)")
        }
        shell.join()
    }

    @Test func `without a descriptor to spare a backup is refused as that, and nothing is left`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c", file: "counter.bpf.o").answers(201)
        let process = "\(apiary.processIdentifier ?? 0)"
        #expect(try apiary.isAtRest)
        // The limit is on the numbers, and there may be gaps between them.
        let open = Set(try FileSystem.list("/proc/\(process)/fd").compactMap { Int($0) })
        let free = (0..<4096).filter { !open.contains($0) }
        var statuses: Set<Int> = []
        for spare in 1...6 {
            try Machine.run("prlimit", "--pid", process, "--nofile=\(free[spare]):")
            statuses.insert(apiary.attempt("GET /v1/backup") ?? 0)
        }
        try Machine.run("prlimit", "--pid", process, "--nofile=4096:")
        // 0: not even the connection was taken.
        #expect(statuses.isSubset(of: [0, 200, 503]) && statuses.contains(503), "\(statuses)")
        _ = try backup(apiary)
        #expect(try FileSystem.list(apiary.stateDirectory).filter { $0.hasSuffix(".tmp") } == [])
    }

    @Test func `a restore leaves no directory of pins where there was none`() throws {
        let apiary = try TestDaemon()
        let other = try TestDaemon(isStarted: false)
        let pins = other.bpffs + "/none"
        func restored() throws {
            let outcome = try restore(
                try backup(apiary), into: other.directory, "--force --bpffs \(pins)")
            #expect(outcome.status == 0, "\(outcome.output)")
            #expect(!FileSystem.exists(pins))
        }
        try restored()
        try apiary.curl("PUT /v1/programs/c", file: "counter.bpf.o").answers(201)
        try restored()
    }

    @Test func `a backup that would not be whole is refused`() throws {
        let apiary = try TestDaemon()
        let digest =
            try apiary.curl("PUT /v1/programs/c", file: "counter.bpf.o")
            .answers(201)["/digest"]?.string ?? ""
        try FileSystem.unlink(apiary.stateDirectory + "/objects/" + digest.dropFirst(7))
        let refused = try apiary.curl("GET /v1/backup").answers(409, problem: .conflict)
        #expect(refused["/detail"]?.string?.contains("delete c and it") == true)
        try apiary.curl("PUT /v1/objects/\(digest)", file: "counter.bpf.o").answers(201)
        _ = try backup(apiary)
    }
}

extension Substring {
    fileprivate var trimmed: Substring { prefix { !$0.isNewline } }
}
