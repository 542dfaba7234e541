import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct ServiceTests {
    @Test func `the service tells where everything is`() throws {
        let apiary = try TestDaemon()
        let service = try apiary.curl("GET /v1").answers(200, #"{"service":"apiary"}"#)
        for link in service["/links"]?.object ?? JSONObject() where link.name != "events" {
            try apiary.curl("GET \(link.value.string ?? "")").answers(200)
        }
        try apiary.curl("GET /v1/events?follow=false").answers(200)
        try apiary.curl("GET /v1/health").answers(200, #"{"status":"ok"}"#)
        try apiary.curl("GET /v1/ready").answers(200, #"{"ready":true}"#)
    }

    @Test func `the contract is the file`() throws {
        let apiary = try TestDaemon()
        let answer = try apiary.curl("GET /v1/openapi.json").answers(200)
        #expect(answer.body == Array(try Repository.text("openapi/apiary.json").utf8))
    }

    @Test func `every problem has its page`() throws {
        let apiary = try TestDaemon()
        let list = try apiary.curl("GET /problems").answers(200)
        let codes = list.names("code")
        #expect(Set(codes) == Set(OpenAPIDocument.contract.problemStatuses.keys))
        for item in list["/items"]?.array?.prefix(5) ?? [] {
            let code = item["code"]?.string ?? ""
            #expect(try apiary.curl("GET /problems/\(code)").answers(200).json == item)
        }
        try apiary.curl("GET /problems/no_such").answers(404, problem: .notFound)
    }

    @Test func `the host's abilities are those of its kernel`() throws {
        let apiary = try TestDaemon()
        let host = try apiary.curl("GET /v1/host").answers(200)
        let release = try Machine.run("uname", "-r").split(separator: "\n").first ?? ""
        #expect(host["/kernel/release"]?.string == String(release))
        let boot = FileSystem.text("/proc/sys/kernel/random/boot_id") ?? ""
        #expect(host["/boot_id"]?.string == String(boot.prefix(36)))
        #expect(host["/capabilities"]?.array?.contains("CAP_BPF") == true)
        let kinds = host["/attach_kinds"]?.array ?? []
        func kind(_ name: String) -> JSONValue? { kinds.first { $0["kind"]?.string == name } }
        for name in ["tracepoint", "raw_tracepoint", "tp_btf", "uprobe", "uretprobe"] {
            let known = try #require(kind(name), "\(name)")
            #expect(known["available"] != .null, "\(known.compact)")
        }
        for known in kinds where known["available"] == false {
            #expect(known["reason"]?.string?.isEmpty == false, "\(known.compact)")
        }
        let maps = host["/map_types"]?.array ?? []
        #expect(maps.first { $0["type"] == "ringbuf" }?["available"] == true)
        // What the kernel lacks by its configuration is said to be missing, with why.
        if !FileSystem.exists("/sys/kernel/tracing/kprobe_events") {
            #expect(kind("kprobe")?["available"] == false)
        }
    }

    @Test func `the audit names who did what, refusals too`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", "X-Request-Id: one", file: "counter.bpf.o")
            .answers(201)
        try apiary.curl("PUT /v1/programs/y", "X-Request-Id: two", file: "refused_null.bpf.o")
            .answers(422)
        try apiary.curl(
            "POST /v1/probes", "X-Request-Id: three", json: #"{"program":"x","function":"count"}"#
        ).answers(201)
        try apiary.curl("PUT /v1/programs/z?dry_run=true", file: "counter.bpf.o").answers(200)
        try apiary.curl("DELETE /v1/programs/x", "X-Request-Id: four").answers(204)
        let log = try apiary.curl("GET /v1/audit").answers(200)["/items"]?.array ?? []
        func row(_ id: String) -> JSONValue? { log.first { $0["request_id"]?.string == id } }
        for (id, action, subject, outcome) in [
            ("one", "put_program", "programs/x", "ok"),
            ("two", "put_program", "programs/y", "verifier_refused"),
            ("three", "post_probe", "probes/x.count", "ok"),
            ("four", "delete_program", "programs/x", "ok"),
        ] {
            let found = try #require(row(id), "\(id)")
            #expect(found["action"]?.string == action)
            #expect(found["subject"]?.string == subject)
            #expect(found["outcome"]?.string == outcome)
            #expect(found["actor"]?.string?.hasPrefix("unix:uid=0,pid=") == true)
        }
        #expect(row("two")?["revision"] == .null)
        #expect(!log.contains { $0["subject"] == "programs/z" })
        #expect(
            try apiary.curl("GET /v1/audit?action=put_program&subject=programs/y").names(
                "request_id") == ["two"])
        var walked: [Int] = []
        var query = "limit=2"
        while true {
            let page = try apiary.curl("GET /v1/audit?\(query)").answers(200)
            walked += page["/items"]?.array?.compactMap { $0["sequence"]?.int } ?? []
            guard let cursor = page["/next_cursor"]?.string else { break }
            query = "limit=2&cursor=\(cursor)"
        }
        #expect(walked == log.compactMap { $0["sequence"]?.int })
        #expect(walked == walked.sorted(by: >))
    }
}
