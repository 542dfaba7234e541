import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProgramReplaceTests {
    @Test(.needs(.tracepoint)) func `another object takes the probes over`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        let pid = other.processIdentifier
        let only = #""functions":{"only":["on_tracepoint"]}"#
        let object = try apiary.curl("PUT /v1/programs/kept", file: "hooks.bpf.o").answers(201)
        let digest = object["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/x",
            json: """
                {"object":{"digest":"\(digest)"},\(only),"globals":{"target_pid":\(pid)},
                 "attach":"auto"}
                """
        ).answers(201)
        try other.getpgid(3)
        #expect(try apiary.value("x/counts", 0) == 3)
        let before = try apiary.curl("GET /v1/probes/x.on_tracepoint").answers(200)
        let oldLink = before["/link/kernel_id"]?.int
        let pinCount = try apiary.pins.count

        let replaced = try apiary.curl(
            "PUT /v1/programs/x?global=target_pid=\(pid)", file: "hooks_next.bpf.o"
        ).answers(200, #"{"changed":true,"probes":[{"id":"x.on_tracepoint"}]}"#)
        if replaced["/probes/0/replaced/atomic"] == false {
            #expect((replaced["/probes/0/replaced/overlap_ns"]?.int ?? -1) >= 0)
        }
        #expect(replaced["/functions/0/probes"] == ["x.on_tracepoint"])
        try other.getpgid(2)
        #expect(try apiary.value("x/counts", 0) == 20)
        let after = try apiary.curl("GET /v1/probes/x.on_tracepoint")
            .answers(200, #"{"state":"attached"}"#)
        #expect(after["/created_at"] == before["/created_at"])
        if after["/link/kernel_id"]?.int != oldLink { #expect(try !Machine.hasLink(oldLink)) }
        #expect(try apiary.pins.count == pinCount)
    }

    @Test(.needs(.tracepoint)) func `a replacement that fails leaves the old one counting`() throws
    {
        let apiary = try TestDaemon()
        let other = try Workload()
        let query = "global=target_pid=\(other.processIdentifier)&attach=auto"
        try apiary.curl("PUT /v1/programs/x?\(query)", file: "hooks_next.bpf.o").answers(201)
        let before = try apiary.curl("GET /v1/programs/x").answers(200)
        let link = try apiary.link("x.on_tracepoint")
        let pins = try apiary.pins
        try other.getpgid(1)

        try apiary.curl("PUT /v1/programs/x", file: "refused_loop.bpf.o")
            .answers(422, problem: .verifierRefused)
        // It loads, but has no function for the probe.
        let homeless = try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o")
            .answers(409, problem: .conflict)
        #expect(homeless["/detail"]?.string?.contains("x.on_tracepoint") == true)
        // It loads and its probe moves, but it cannot be attached whole.
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "uprobe.bpf.o")
            .answers(409, problem: .conflict)

        try other.getpgid(1)
        #expect(try apiary.value("x/counts", 0) == 20)
        let after = try apiary.curl("GET /v1/programs/x").answers(200)
        #expect(after.json == before.json)
        #expect(try apiary.link("x.on_tracepoint") == link)
        #expect(try apiary.pins == pins)
    }

    @Test func `a disabled probe stays disabled on the new object`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "hooks_next.bpf.o").answers(201)
        try apiary.curl("PATCH /v1/probes/x.on_tracepoint", json: #"{"enabled":false}"#)
            .answers(200, #"{"state":"disabled","link":null}"#)
        try apiary.curl("PUT /v1/programs/x?global=target_pid=1", file: "hooks_next.bpf.o")
            .answers(200, #"{"changed":true}"#)
        try apiary.curl("GET /v1/probes/x.on_tracepoint").answers(200, #"{"state":"disabled"}"#)
        try apiary.curl("PATCH /v1/probes/x.on_tracepoint", json: #"{"enabled":true}"#)
            .answers(200, #"{"state":"attached"}"#)
    }
}
