import JSON
import Linux
import TestSupport
import Testing

/// An apply that is cut off by SIGKILL leaves what was, or what was declared; and large ones.
@Suite(.requiresRoot, .serialized) struct ApplyDurabilityTests {
    /// Two manifests of one owner that have nothing in common but the names: other objects, other
    /// entries, other probes.
    private func manifests(_ apiary: TestDaemon) throws -> [String] {
        let digests = try ["hooks.bpf.o", "hooks_next.bpf.o"].map { object in
            let sum = try Machine.run("sha256sum", Repository.object(object)).prefix(64)
            let answer = try apiary.curl("PUT /v1/objects/sha256:\(sum)", file: object)
            #expect([200, 201].contains(answer.status))
            return "sha256:" + sum
        }
        return [
            """
            {"owner":"a","prune":true,
             "programs":[{"name":"p","object":{"digest":"\(digests[0])"}},
              {"name":"stays","object":{"digest":"\(digests[0])"}},
              {"name":"old","object":{"digest":"\(digests[0])"}}],
             "probes":[{"id":"one","program":"p","function":"on_tracepoint"},
              {"id":"two","program":"old","function":"on_raw"},
              {"id":"three","program":"stays","function":"on_raw"}],
             "maps":[{"map":"stays/counts","entries":[{"key":3,"value":10},{"key":4,"value":11}]}]}
            """,
            """
            {"owner":"a","prune":true,
             "programs":[{"name":"p","object":{"digest":"\(digests[1])"}},
              {"name":"stays","object":{"digest":"\(digests[0])"}},
              {"name":"new","object":{"digest":"\(digests[0])"}}],
             "probes":[{"id":"one","program":"p","function":"on_tracepoint","labels":{"n":"2"}},
              {"id":"four","program":"new","function":"on_raw"},
              {"id":"three","program":"stays","function":"on_raw","enabled":false}],
             "maps":[{"map":"stays/counts","entries":[{"key":3,"value":20},{"key":2,"value":22}]}]}
            """,
        ]
    }

    /// What is there, without what differs from load to load.
    private func picture(_ apiary: TestDaemon) throws -> String {
        let state = try apiary.curl("GET /v1/state?owner=a").answers(200)
        let documents = ["/programs", "/probes", "/maps"].map { member in
            (state[member]?.array ?? []).map(\.compact).sorted().joined()
        }
        let values = try (2...4).map { try apiary.value("stays/counts", $0) ?? 0 }
        let states = try apiary.curl("GET /v1/probes").answers(200)["/items"]?.array ?? []
        return documents.joined() + "\(values)"
            + states.map { "\($0["id"]?.string ?? "")=\($0["state"]?.string ?? "")" }
            .joined(separator: ",")
    }

    @Test(.needs(.tracepoint)) func `a kill at each point leaves it whole or undone`() throws {
        let apiary = try TestDaemon()
        let manifests = try manifests(apiary)
        var pictures: [String] = []
        for manifest in manifests + [manifests[0]] {
            try apiary.curl("POST /v1/apply", json: manifest).answers(200)
            pictures.append(try picture(apiary))
        }
        #expect(pictures[0] == pictures[2])
        var present = 0
        var died = 0
        var times = (whole: 0, undone: 0)
        for point in Self.points {
            apiary.stop()
            try apiary.start(faultAt: point)
            let wanted = manifests[1 - present]
            let status = apiary.attempt("POST /v1/apply", json: wanted)
            // What comes after the answer: the point may lie there.
            if status != nil { Clock.sleep(nanoseconds: 50_000_000) }
            let isDead =
                try status == nil ? apiary.waitsForDeath() : apiary.processIdentifier == nil
            #expect(isDead || status == 200, "\(point)")
            if isDead { died += 1 }
            apiary.stop()
            try apiary.startWithoutFault()
            let now = try picture(apiary)
            if now == pictures[present] {
                #expect(status == nil, "\(point): acknowledged, and not there")
                times.undone += 1
            } else {
                #expect(now == pictures[1 - present], "\(point)")
                present = 1 - present
                times.whole += 1
            }
            try apiary.isSound("\(point) in apply")
            try apiary.curl("POST /v1/apply", json: manifests[present])
                .answers(200, #"{"changed":false}"#)
        }
        FaultReport.line(
            "kill -9 at a point of apply", died,
            "\(times.undone) as before, \(times.whole) as declared; registry and kernel agree")
        #expect(times.undone > 0 && times.whole > 0)
        try apiary.curl("POST /v1/apply", json: #"{"owner":"a","prune":true}"#).answers(200)
        #expect(try apiary.pins == [])
    }

    private static let points = [
        "after-intent", "after-intent:2", "before-load", "after-load:2", "after-keep",
        "after-entry", "after-entry:2", "after-attach", "after-pin:2", "after-update",
        "before-commit", "after-commit", "after-unpin", "after-detach", "after-unload",
        "after-forget", "after-forget:2",
    ]

    @Test(.needs(.tracepoint)) func `500 probes in one manifest, and one step that undoes them`()
        throws
    {
        let apiary = try TestDaemon()
        let file = apiary.directory + "/manifest.json"
        // 20 loads of 25 probes each: the kernel takes 64 functions at one tracepoint.
        func manifest(_ last: String) throws -> String {
            let object = try Machine.run("base64", "-w0", Repository.object("hooks.bpf.o"))
            let programs = (0..<20).map {
                #"{"name":"p\#($0)","object":{"base64":"\#(object)"}}"#
            }
            let probes = (0..<500).map { number in
                """
                {"id":"probe.\(number)","program":"p\(number % 20)","function":"on_raw",
                 "attach":{"kind":"raw_tracepoint","name":"sys_enter"},"labels":{"n":"\(number)"}}
                """
            }
            return #"{"owner":"many","prune":true,"programs":["# + programs.joined(separator: ",")
                + #"],"probes":["# + (probes + [last]).filter { !$0.isEmpty }.joined(separator: ",")
                + "]}"
        }
        let wrong = #"{"id":"wrong","program":"p1","function":"nosuch"}"#
        try FileSystem.replace(file, with: Array(try manifest(wrong).utf8).span)
        let refused = try apiary.curl("POST /v1/apply", json: "@" + file, deadlineSeconds: 120)
            .answers(404, problem: .notFound)
        #expect(refused["/step"] == "probes/wrong")
        #expect(refused["/undone"]?.array?.count == 520)
        #expect(try apiary.pins == [])
        try FileSystem.replace(file, with: Array(try manifest("").utf8).span)
        try apiary.curl("POST /v1/apply", json: "@" + file, deadlineSeconds: 120)
            .answers(200, #"{"counts":{"create":520}}"#)
        let link = try apiary.link("probe.77")
        try apiary.curl("POST /v1/apply", json: "@" + file, deadlineSeconds: 120)
            .answers(200, #"{"changed":false,"counts":{"none":520}}"#)
        #expect(try apiary.link("probe.77") == link)
        let attached = try apiary.curl("GET /v1/probes?state=attached&limit=1000").answers(200)
        #expect(attached["/items"]?.array?.count == 500)
        try apiary.curl(
            "POST /v1/apply", json: #"{"owner":"many","prune":true}"#, deadlineSeconds: 120
        ).answers(200, #"{"counts":{"delete":520}}"#)
        #expect(try apiary.pins == [])
    }

    @Test(.needs(.tracepoint)) func `after a reboot declared entries are there again`() throws {
        let apiary = try TestDaemon()
        let manifests = try manifests(apiary)
        try apiary.curl("POST /v1/apply", json: manifests[0]).answers(200)
        let before = try picture(apiary)
        apiary.stop()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try picture(apiary) == before)
        try apiary.curl("POST /v1/apply", json: manifests[0]).answers(200, #"{"changed":false}"#)
    }

    @Test func `declared entries go with prune, and all others where the map is exact`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        let path = "/v1/maps/v/bare/entries"
        func key(_ number: Int) -> String { "hex:0\(number)000000" }
        let value = "hex:" + String(repeating: "00", count: 12)
        func manifest(_ keys: [Int], _ rest: String = "") -> String {
            let entries = keys.map { #"{"key":"\#(key($0))","value":"\#(value)"}"# }
            return """
                {"owner":"a","prune":true,
                 "maps":[{"map":"v/bare","entries":[\(entries.joined(separator: ","))]\(rest)}]}
                """
        }
        try apiary.curl("PUT \(path)/\(key(9))", json: #"{"value":"\#(value)"}"#).answers(201)
        try apiary.curl("POST /v1/apply", json: manifest([1, 2])).answers(200)
        #expect(try apiary.curl("GET \(path)?count=true")["/count"] == 3)
        let pruned = try apiary.curl("POST /v1/apply", json: manifest([2])).answers(200)
        #expect(pruned["/changes"]?.array?.last?["action"] == "delete")
        #expect(try apiary.curl("GET \(path)?count=true")["/count"] == 2)
        try apiary.curl("POST /v1/apply?dry_run=true", json: manifest([2], #","exact":true"#))
            .answers(200, #"{"counts":{"replace":1}}"#)
        #expect(try apiary.curl("GET \(path)?count=true")["/count"] == 2)
        try apiary.curl("POST /v1/apply", json: manifest([2], #","exact":true"#)).answers(200)
        #expect(try apiary.curl("GET \(path)?count=true")["/count"] == 1)
        try apiary.curl("POST /v1/apply", json: manifest([2], #","exact":true"#))
            .answers(200, #"{"changed":false}"#)
    }
}
