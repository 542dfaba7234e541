import JSON
import Linux
import TestSupport
import Testing

/// Which objects are let in, and how much of everything.
@Suite(.requiresRoot, .needs(.tracepoint)) struct ObjectPolicyTests {
    private func shell(_ directory: String, _ line: String) throws -> String {
        let exit = try Child.run(
            "/bin/sh", arguments: ["-ec", "cd \(directory); " + line],
            environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 60_000,
            outputLimit: 1 << 16)
        let isFine = exit.reason == .exited(0)
        try #require(isFine, "\(String(decoding: exit.errors, as: UTF8.self))")
        return String(decoding: exit.output.prefix { $0 != 0x0a }, as: UTF8.self)
    }

    private func sign(_ apiary: TestDaemon, _ object: String, by key: String) throws -> String {
        try shell(
            apiary.directory,
            "openssl pkeyutl -sign -rawin -inkey \(key).key -in \(Repository.object(object)) "
                + "-out s && base64 -w 0 s")
    }

    @Test func `signed objects alone are loaded where that is required`() throws {
        let apiary = try TestDaemon(isStarted: false)
        for key in ["ours", "theirs"] {
            _ = try shell(
                apiary.directory,
                "openssl genpkey -algorithm ed25519 -out \(key).key; "
                    + "openssl pkey -in \(key).key -pubout -out \(key).pub")
        }
        apiary.arguments = [
            "--set", "require_signed=true",
            "--set", "signing_keys=release=\(apiary.directory)/ours.pub",
        ]
        try apiary.start()
        let good = try sign(apiary, "counts.bpf.o", by: "ours")
        let foreign = try sign(apiary, "counts.bpf.o", by: "theirs")
        let other = try sign(apiary, "maps.bpf.o", by: "ours")
        try apiary.curl("PUT /v1/programs/c", file: "counts.bpf.o")
            .answers(422, problem: "object_not_allowed")
        for signature in [foreign, other, "AAAA", "not base64!"] {
            try apiary.curl(
                "PUT /v1/programs/c", "X-Apiary-Signature: \(signature)", file: "counts.bpf.o"
            ).answers(422, problem: "object_not_allowed")
        }
        let loaded = try apiary.curl(
            "PUT /v1/programs/c", "X-Apiary-Signature: \(good)", file: "counts.bpf.o"
        ).answers(201)
        let digest = loaded["/digest"]?.string ?? ""
        // A kept object is no way around it.
        try apiary.curl("PUT /v1/programs/d", json: #"{"object":{"digest":"\#(digest)"}}"#)
            .answers(422, problem: "object_not_allowed")
        try apiary.curl(
            "PUT /v1/programs/d",
            json: #"{"object":{"digest":"\#(digest)","signature":"\#(good)"}}"#
        ).answers(201)
        try apiary.restart()
        try apiary.curl("GET /v1/programs/c").answers(200, #"{"state":"loaded"}"#)
    }

    @Test func `only listed digests are loaded where there is a list`() throws {
        let listed = try shell("/", "sha256sum < \(Repository.object("counts.bpf.o"))").prefix(64)
        let apiary = try TestDaemon(arguments: ["--set", "allowed_objects=sha256:\(listed)"])
        try apiary.curl("PUT /v1/programs/c", file: "counts.bpf.o").answers(201)
        let refused = try apiary.curl("PUT /v1/programs/m", file: "maps.bpf.o")
            .answers(422, problem: "object_not_allowed")
        #expect(refused["/detail"]?.string?.contains("allowed_objects") == true)
        try apiary.curl("PUT /v1/programs/m?dry_run=true", file: "maps.bpf.o").answers(422)
    }

    @Test(arguments: [
        ("require_signed=true", "needs signing_keys"),
        ("signing_keys=a=/nonexistent", "cannot be read"),
        ("signing_keys=a=AAAA", "is no Ed25519 public key"),
        ("allowed_objects=sha256:12", "is not sha256: and 64"),
    ])
    func `a policy that cannot be kept keeps the daemon from starting`(
        setting: String, why: String
    ) throws {
        let apiary = try TestDaemon(arguments: ["--set", setting], isStarted: false)
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains(why), "\(apiary.log)")
    }

    private func over(
        _ apiary: TestDaemon, _ request: String, file: String? = nil, json: String? = nil,
        _ setting: String
    ) throws {
        let answer = try apiary.curl(request, file: file, json: json)
            .answers(422, problem: "quota_exceeded")
        #expect(answer["/detail"]?.string?.contains(setting) == true, "\(answer)")
        #expect((answer["/limit"]?.int ?? 0) > 0, "\(answer)")
    }

    @Test func `what is over a quota is refused with the limit`() throws {
        let apiary = try TestDaemon(arguments: [
            "--set", "max_programs=2", "--set", "max_probes=1", "--set", "max_objects=2",
            "--set", "entries_per_dump=50",
        ])
        try apiary.curl("PUT /v1/programs/e?attach=auto", file: "events.bpf.o").answers(201)
        let probe = #"{"program":"e","function":"on_getpgid"}"#
        let functions = try apiary.curl("GET /v1/programs/e").answers(200)
        let name = functions["/functions/0/name"]?.string ?? ""
        try over(
            apiary, "POST /v1/probes", json: probe.replacing("on_getpgid", with: name), "max_probes"
        )
        try apiary.curl("PUT /v1/programs/m", file: "maps.bpf.o").answers(201)
        try over(apiary, "GET /v1/maps/m/row/entries?format=ndjson", "entries_per_dump")
        try apiary.curl("GET /v1/maps/m/row/entries?format=ndjson&limit=50").answers(200)
        try over(apiary, "PUT /v1/programs/c", file: "counts.bpf.o", "max_programs")
        try apiary.curl("PUT /v1/programs/m", file: "maps.bpf.o").answers(200)
        try over(apiary, "PUT /v1/programs/m", file: "counts.bpf.o", "max_objects")
        try apiary.curl("GET /v1/programs/m").answers(200, #"{"state":"loaded"}"#)
    }

    @Test func `maps are reckoned before the kernel is asked`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "max_map_memory_bytes=50000"])
        try over(
            apiary, "PUT /v1/programs/e", file: "events.bpf.o", "max_map_memory_bytes")
        let few = try TestDaemon(arguments: ["--set", "max_maps=1"])
        try over(few, "PUT /v1/programs/m", file: "maps.bpf.o", "max_maps")
    }

    @Test(arguments: [("max_programs=3", 3), ("max_maps=9", 3), ("max_objects=1", 1)])
    func `changes that race at a limit do not pass it together`(setting: String, room: Int) throws {
        let apiary = try TestDaemon(arguments: ["--set", setting])
        let file = Repository.object("counts.bpf.o")
        let isObject = setting.hasPrefix("max_objects")
        // Other bytes each: what follows the sections is nothing to libbpf.
        let other = apiary.directory + "/other.bpf.o"
        try FileSystem.replace(other, with: (try FileSystem.read(file) + [0]).span)
        for _ in 0..<5 {
            let requests = (0..<8).map { number in
                "curl -s -o /dev/null -w '%{http_code}\\n' --unix-socket \(apiary.socket) "
                    + "-T \(isObject && number % 2 == 1 ? other : file) "
                    + "http://localhost/v1/programs/p\(number) &"
            }
            let statuses = try Machine.run("sh", "-c", requests.joined(separator: " ") + " wait")
            let loaded = try apiary.curl("GET /v1/programs").answers(200)["/items"]?.array ?? []
            let kept = try apiary.curl("GET /v1/objects").answers(200)["/items"]?.array ?? []
            #expect((isObject ? kept : loaded).count == room, "\(statuses)")
            for program in loaded {
                let name = program["name"]?.string ?? ""
                try apiary.curl("DELETE /v1/programs/\(name)").answers(204)
            }
            try apiary.curl("DELETE /v1/objects?unused=true").answers(200)
        }
    }

    @Test func `probes that race at their limit do not pass it together`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "max_probes=5"])
        // Those of one program come one after another anyway.
        for number in 0..<4 {
            try apiary.curl("PUT /v1/programs/h\(number)", file: "hooks.bpf.o").answers(201)
        }
        let requests = (0..<12).map { number in
            "curl -s -o /dev/null -w '%{http_code}\\n' --unix-socket \(apiary.socket) "
                + "-H 'Content-Type: application/json' -X PUT "
                + "-d '{\"program\":\"h\(number % 4)\",\"function\":\"on_raw\"}' "
                + "http://localhost/v1/probes/p\(number) &"
        }
        let statuses = try Machine.run("sh", "-c", requests.joined(separator: " ") + " wait")
        let probes = try apiary.curl("GET /v1/probes").answers(200)["/items"]?.array ?? []
        #expect(probes.count == 5, "\(statuses)")
    }

    @Test func `loads in a minute are bounded, with when to come again`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "loads_per_minute=2"])
        for name in ["a", "b"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "counts.bpf.o").answers(201)
        }
        let refused = try apiary.curl("PUT /v1/programs/c", file: "counts.bpf.o")
            .answers(429, problem: .tooManyRequests)
        #expect((1...60).contains(Int(refused.header("Retry-After") ?? "") ?? 0))
        // The same again is no load.
        try apiary.curl("PUT /v1/programs/a", file: "counts.bpf.o").answers(200)
    }
}
