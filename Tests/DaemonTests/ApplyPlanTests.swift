import JSON
import Linux
import TestSupport
import Testing

/// What a dry run of a manifest finds before anything is attached; and places that change hands.
@Suite(.requiresRoot) struct ApplyPlanTests {
    /// A manifest of one program `k` of kinds.bpf.o with one function.
    private func manifest(
        _ apiary: TestDaemon, _ function: String, _ probes: [(id: String, attach: String)],
        more: String = ""
    ) throws -> String {
        let sum = try Machine.run("sha256sum", Repository.object("kinds.bpf.o")).prefix(64)
        _ = try apiary.curl("PUT /v1/objects/sha256:\(sum)", file: "kinds.bpf.o")
        let rows = probes.map {
            #"{"id":"\#($0.id)","program":"k","function":"\#(function)","attach":{\#($0.attach)}}"#
        }
        return """
            {"owner":"a","prune":true,\(more)
             "programs":[{"name":"k","object":{"digest":"sha256:\(sum)"},
               "functions":{"only":["\(function)"]}}],
             "probes":[\(rows.joined(separator: ","))]}
            """
    }

    @Test func `a plan that cannot work says so, at the probe`() throws {
        let apiary = try TestDaemon()
        let cases: [(function: String, kind: HostAbility, attach: String, member: String)] = [
            ("on_kprobe", "kprobe", #""kind":"kprobe","symbol":"no_such_function""#, "symbol"),
            (
                "on_kprobes", "kprobe_multi",
                #""kind":"kprobe_multi","symbols":["vfs_read","no_such_function"]"#, "symbols"
            ),
            (
                "on_raw", "raw_tracepoint", #""kind":"raw_tracepoint","name":"no_such_point""#,
                "name"
            ),
            (
                "on_tracepoint", "tracepoint",
                #""kind":"tracepoint","category":"sched","name":"no_such_point""#, "name"
            ),
            ("on_xdp", "xdp", #""kind":"xdp","interface":"nosuch0""#, "interface"),
            (
                "on_tc", "tc", #""kind":"tc","interface":"nosuch0","direction":"ingress""#,
                "interface"
            ),
            ("on_cgroup", "cgroup", #""kind":"cgroup","path":"/sys/fs/cgroup/nosuch""#, "path"),
            ("on_cgroup", "cgroup", #""kind":"cgroup","path":"/tmp""#, "path"),
        ]
        for (function, kind, attach, member) in cases where kind.missing() == nil {
            let text = try manifest(apiary, function, [("p", attach)])
            let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: text)
            #expect(plan.status == 422, "\(plan)")
            #expect(plan["/pointer"]?.string == "/probes/0/attach/\(member)", "\(plan)")
            #expect(plan["/step"] == "probes/p", "\(plan)")
            // The apply itself says the same.
            let apply = try apiary.curl("POST /v1/apply", json: text)
            #expect(apply.status == plan.status && apply["/code"] == plan["/code"], "\(apply)")
        }
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try apiary.pins == [])
        // What is right is planned, and attaches nothing.
        let right = try manifest(
            apiary, "on_raw", [("p", #""kind":"raw_tracepoint","name":"sys_enter""#)])
        try apiary.curl("POST /v1/apply?dry_run=true", json: right)
            .answers(200, #"{"counts":{"create":2}}"#)
        #expect(try apiary.pins == [])
    }

    @Test(.needs("xdp")) func `a place that others hold is told in the plan`() throws {
        let network = try NetworkRig()
        let other = try KindsRig("on_xdp")
        let place = #""kind":"xdp","interface":"v1","netns":"\#(network.name)""#
        try other.attach("on_xdp", place, id: "theirs").answers(201)
        let apiary = try TestDaemon()
        let text = try manifest(apiary, "on_xdp", [("p", place)])
        try apiary.curl("POST /v1/apply?dry_run=true", json: text)
            .answers(409, problem: .attachBusy)
        try apiary.curl("POST /v1/apply", json: text).answers(409, problem: .attachBusy)
        try other.apiary.curl("DELETE /v1/probes/theirs").answers(204)
        try apiary.curl("POST /v1/apply?dry_run=true", json: text).answers(200)
        try apiary.curl("POST /v1/apply", json: text).answers(200)
        // It is ours now: the same again, and another probe instead of it, can be.
        try apiary.curl("POST /v1/apply?dry_run=true", json: text)
            .answers(200, #"{"changed":false}"#)
        let renamed = try manifest(apiary, "on_xdp", [("q", place)])
        try apiary.curl("POST /v1/apply?dry_run=true", json: renamed)
            .answers(200, #"{"counts":{"create":1,"delete":1}}"#)
        try apiary.curl("POST /v1/apply", json: renamed).answers(200)
        try apiary.isSound("after another probe took the place")
    }

    @Test(.needs("xdp")) func `two probes change their places`() throws {
        let network = try NetworkRig()
        let apiary = try TestDaemon()
        func place(_ interface: String) -> String {
            #""kind":"xdp","interface":"\#(interface)","netns":"\#(network.name)""#
        }
        let before = try manifest(apiary, "on_xdp", [("p", place("v0")), ("q", place("v1"))])
        let after = try manifest(apiary, "on_xdp", [("p", place("v1")), ("q", place("v0"))])
        try apiary.curl("POST /v1/apply", json: before).answers(200)
        for text in [after, before] {
            try apiary.curl("POST /v1/apply?dry_run=true", json: text)
                .answers(200, #"{"counts":{"replace":2,"none":1}}"#)
            try apiary.curl("POST /v1/apply", json: text)
                .answers(200, #"{"counts":{"replace":2}}"#)
            try apiary.curl("POST /v1/apply", json: text).answers(200, #"{"changed":false}"#)
            try apiary.isSound("after two probes changed places")
        }
        // One gives its place to a new one.
        let moved = try manifest(
            apiary, "on_xdp", [("new", place("v0")), ("p", place("v1"))])
        try apiary.curl("POST /v1/apply", json: moved)
            .answers(200, #"{"counts":{"create":1,"replace":1,"delete":1}}"#)
        try apiary.isSound("after a new probe took a place")
        // A step behind it that fails brings all back.
        let wrong = try manifest(
            apiary, "on_xdp", [("new", place("v1")), ("p", place("v0")), ("x", place("nosuch"))])
        let links = try ["new", "p"].map { try apiary.curl("GET /v1/probes/\($0)")["/attach"] }
        try apiary.curl("POST /v1/apply", json: wrong).answers(422, problem: .targetNotFound)
        #expect(
            try ["new", "p"].map { try apiary.curl("GET /v1/probes/\($0)")["/attach"] } == links)
        try apiary.isSound("after an exchange that failed")
    }

    @Test(.needs(.tracepoint)) func `the limits of the host hold for manifests too`() throws {
        let apiary = try TestDaemon(arguments: [
            "--set", "max_probes=3", "--set", "max_programs=2",
        ])
        let object = try Machine.run("base64", "-w0", Repository.object("hooks.bpf.o"))
        func manifest(programs: Int, probes: Int, _ rest: String = "") -> String {
            let names = (0..<programs).map {
                #"{"name":"p\#($0)","object":{"base64":"\#(object)"}\#(rest)}"#
            }
            let rows = (0..<probes).map {
                #"{"id":"r\#($0)","program":"p0","function":"on_raw"}"#
            }
            return """
                {"owner":"a","prune":true,"programs":[\(names.joined(separator: ","))],
                 "probes":[\(rows.joined(separator: ","))]}
                """
        }
        for query in ["?dry_run=true", ""] {
            let probes = try apiary.curl(
                "POST /v1/apply\(query)", json: manifest(programs: 1, probes: 4)
            ).answers(422, problem: .quotaExceeded)
            #expect(probes["/pointer"] == "/probes/3")
            #expect(probes["/limit"] == 3)
            let programs = try apiary.curl(
                "POST /v1/apply\(query)", json: manifest(programs: 3, probes: 0)
            ).answers(422, problem: .quotaExceeded)
            #expect(programs["/pointer"] == "/programs/2")
            // attach auto makes five.
            try apiary.curl(
                "POST /v1/apply\(query)",
                json: manifest(programs: 1, probes: 0, #","attach":"auto""#)
            ).answers(422, problem: .quotaExceeded)
            #expect(try apiary.pins == [])
        }
        try apiary.curl("POST /v1/apply", json: manifest(programs: 2, probes: 3)).answers(200)
        try apiary.curl("POST /v1/apply", json: manifest(programs: 2, probes: 3))
            .answers(200, #"{"changed":false}"#)
        // What goes makes room for what comes.
        let others = manifest(programs: 2, probes: 3).replacing(#""id":"r"#, with: #""id":"s"#)
        try apiary.curl("POST /v1/apply", json: others)
            .answers(200, #"{"counts":{"create":3,"delete":3,"none":2}}"#)
    }

    @Test(.needs(.tracepoint))
    func `programs come in the order in which they are loaded upon each other`() throws {
        let apiary = try TestDaemon()
        let sum = try Machine.run("sha256sum", Repository.object("counter.bpf.o")).prefix(64)
        try apiary.curl("PUT /v1/objects/sha256:\(sum)", file: "counter.bpf.o").answers(201)
        func manifest(_ entries: Int) -> String {
            """
            {"owner":"o","prune":true,"programs":[
              {"name":"b","object":{"digest":"sha256:\(sum)"},
               "maps":{"totals":{"reuse":"a/totals"},"callers":{"reuse":"a/callers"}}},
              {"name":"a","object":{"digest":"sha256:\(sum)"},
               "maps":{"callers":{"max_entries":\(entries)}}}],
             "probes":[{"id":"b","program":"b","function":"count"}],
             "maps":[{"map":"a/totals","entries":[{"key":3,"value":7}]}]}
            """
        }
        for entries in [100, 200] {
            try apiary.curl("POST /v1/apply?dry_run=true", json: manifest(entries)).answers(200)
            try apiary.curl("POST /v1/apply", json: manifest(entries)).answers(200)
            // Where the one has another map, so has the other, at once.
            try apiary.curl("POST /v1/apply", json: manifest(entries))
                .answers(200, #"{"changed":false}"#)
            #expect(try apiary.value("b/totals", 3) == 7)
            let ids = try ["a", "b"].map { try apiary.curl("GET /v1/maps/\($0)/callers") }
            #expect(ids[0]["/kernel_id"] == ids[1]["/kernel_id"])
            #expect(ids[1]["/max_entries"]?.int == entries)
        }
        try apiary.isSound("after programs that share maps")
    }

    @Test(.needs(.rawTracepoint))
    func `attach auto leaves out what nobody attaches, and changes nothing the second time`()
        throws
    {
        let apiary = try TestDaemon()
        let object = try Machine.run("base64", "-w0", Repository.object("runs.bpf.o"))
        let names =
            try apiary.curl("PUT /v1/programs/look?dry_run=true", file: "runs.bpf.o")
            .answers(200)["/functions"]?.array ?? []
        let wanted = names.filter {
            ["socket_filter", "raw_tracepoint", "syscall"].contains($0["type"]?.string ?? "")
        }.compactMap { $0["name"]?.string }
        let list = wanted.map { "\"\($0)\"" }.joined(separator: ",")
        let manifest = """
            {"owner":"a","programs":[{"name":"r","object":{"base64":"\(object)"},"attach":"auto",
              "functions":{"only":[\(list)]}}]}
            """
        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: manifest).answers(200)
        let made = try apiary.curl("POST /v1/apply", json: manifest).answers(200)
        #expect(plan["/changes"] == made["/changes"])
        #expect(try apiary.curl("GET /v1/probes").answers(200).names("function").count == 1)
        try apiary.curl("POST /v1/apply", json: manifest).answers(200, #"{"changed":false}"#)
    }
}
