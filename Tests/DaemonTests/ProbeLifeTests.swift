import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProbeLifeTests {
    /// A daemon with `hooks` loaded for a workload.
    private func hooks() throws -> (TestDaemon, Workload) {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.curl(
            "PUT /v1/programs/h?global=target_pid=\(other.processIdentifier)"
                + "&global=number=\(Workload.getpgid)", file: "hooks.bpf.o"
        ).answers(201)
        return (apiary, other)
    }

    @Test(.needs(.tracepoint)) func `PATCH detaches and attaches again`() throws {
        let (apiary, other) = try hooks()
        try apiary.curl(
            "PUT /v1/probes/p", json: #"{"program":"h","function":"on_tracepoint"}"#
        ).answers(201)
        try other.getpgid(3)
        let link = try apiary.link("p")
        try apiary.curl("PATCH /v1/probes/p", json: #"{"enabled":false}"#)
            .answers(200, #"{"state":"disabled","enabled":false,"link":null,"changed":true}"#)
        #expect(try !Machine.hasLink(link))
        try other.getpgid(3)
        #expect(try apiary.value("h/counts", 0) == 3)
        try apiary.curl("PATCH /v1/probes/p", json: #"{"enabled":false}"#)
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("PATCH /v1/probes/p", json: #"{"enabled":true}"#)
            .answers(200, #"{"state":"attached","enabled":true,"changed":true}"#)
        try other.getpgid(3)
        #expect(try apiary.value("h/counts", 0) == 6)
    }

    @Test(.needs(.tracepoint)) func `a probe can be registered disabled`() throws {
        let (apiary, other) = try hooks()
        try apiary.curl(
            "PUT /v1/probes/p",
            json: #"{"program":"h","function":"on_tracepoint","enabled":false}"#
        ).answers(201, #"{"state":"disabled","link":null}"#)
        try other.getpgid(1)
        #expect(try apiary.value("h/counts", 0) == 0)
        try apiary.curl(
            "PUT /v1/probes/p", json: #"{"program":"h","function":"on_tracepoint"}"#
        ).answers(200, #"{"state":"attached","changed":true}"#)
    }

    @Test(.needs(.tracepoint)) func `labels leave the link alone`() throws {
        let (apiary, _) = try hooks()
        try apiary.curl(
            "PUT /v1/probes/p",
            json: #"{"program":"h","function":"on_tracepoint","labels":{"a":"1"}}"#
        ).answers(201, #"{"labels":{"a":"1"}}"#)
        let link = try apiary.link("p")
        try apiary.curl("PATCH /v1/probes/p", json: #"{"labels":{"b":"2","a":null}}"#)
            .answers(200, #"{"labels":{"b":"2"},"changed":true}"#)
        try apiary.curl(
            "PUT /v1/probes/p",
            json: #"{"program":"h","function":"on_tracepoint","labels":{"c":"3"}}"#
        ).answers(200, #"{"labels":{"c":"3"},"changed":true}"#)
        #expect(try apiary.link("p") == link)
        #expect(try apiary.curl("GET /v1/probes?label=c=3").names("id") == ["p"])
        #expect(try apiary.curl("GET /v1/probes?label=b=2").names("id") == [])
        try apiary.curl("PATCH /v1/probes/p", json: "{}").answers(400, problem: .invalidMember)
    }

    @Test(.needs(.uprobe)) func `POST finds the next free id`() throws {
        let (apiary, _) = try hooks()
        let request = #"{"program":"h","function":"on_entry"}"#
        for id in ["h.on_entry", "h.on_entry-2", "h.on_entry-3"] {
            try apiary.curl("POST /v1/probes", json: request).answers(201, #"{"id":"\#(id)"}"#)
        }
        try apiary.curl("DELETE /v1/probes/h.on_entry-2").answers(204)
        try apiary.curl("POST /v1/probes", json: request).answers(201, #"{"id":"h.on_entry-2"}"#)
        let shown = try apiary.curl("GET /v1/programs/h").answers(200)
        let entry = shown["/functions"]?.array?.first { $0["name"] == "on_entry" }
        #expect(entry?["probes"] == ["h.on_entry", "h.on_entry-3", "h.on_entry-2"])
    }

    @Test(.needs(.uprobe)) func `all probes of a program go at once, and only its own`() throws {
        let (apiary, other) = try hooks()
        try apiary.curl("PUT /v1/programs/k?attach=auto", file: "counter.bpf.o").answers(201)
        try apiary.curl(
            "PUT /v1/programs/h?attach=auto&global=target_pid=\(other.processIdentifier)"
                + "&global=number=\(Workload.getpgid)", file: "hooks.bpf.o"
        ).answers(200)
        let links =
            try apiary.curl("GET /v1/probes?program=h").answers(200)["/items"]?.array?
            .compactMap { $0.at("/link/kernel_id")?.int } ?? []
        #expect(links.count == 5)
        try apiary.curl("DELETE /v1/probes?program=h").answers(204)
        for link in links { #expect(try !Machine.hasLink(link)) }
        try apiary.curl("DELETE /v1/probes?program=h").answers(204)
        #expect(try apiary.curl("GET /v1/probes").names("id") == ["k.count"])
        try other.getpgid(2)
        try other.getppid(2)
        for slot in 0..<5 { #expect(try apiary.value("h/counts", slot) == 0) }
    }

    @Test(.needs(.uprobe)) func `a changed PUT moves the probe to the new place`() throws {
        let (apiary, other) = try hooks()
        func put(_ members: String) throws -> Answer {
            try apiary.curl(
                "PUT /v1/probes/p",
                json: #"{"program":"h","function":"on_tracepoint","attach":{\#(members)}}"#)
        }
        let category = #""kind":"tracepoint","category":"syscalls","#
        try put(category + #""name":"sys_enter_getpgid""#).answers(201)
        let before = try apiary.link("p")
        try put(category + #""name":"sys_enter_getsid""#).answers(
            200, #"{"changed":true,"attach":{"name":"sys_enter_getsid"}}"#)
        #expect(try !Machine.hasLink(before))
        try other.getpgid(5)
        #expect(try apiary.value("h/counts", 0) == 0)
        #expect(try apiary.pins.count == 2)
        try apiary.curl("PUT /v1/probes/p", "If-Match: \"0\"", json: "{}").answers(400)
        try apiary.curl("DELETE /v1/probes/p", "If-Match: \"0\"")
            .answers(412, problem: .preconditionFailed)
        try apiary.curl(
            "PUT /v1/probes/p", "If-None-Match: *", json: #"{"program":"h","function":"on_entry"}"#
        ).answers(412, problem: .preconditionFailed)
    }

    @Test(.needs(.uprobe)) func `a dry run attaches nothing that stays`() throws {
        let (apiary, _) = try hooks()
        let pins = try apiary.pins
        try apiary.curl(
            "POST /v1/probes?dry_run=true", json: #"{"program":"h","function":"on_entry"}"#
        ).answers(
            200, #"{"id":"h.on_entry","state":"attached","changed":true,"dry_run":true}"#)
        try apiary.curl(
            "PUT /v1/probes/p?dry_run=true", json: #"{"program":"h","function":"on_entry"}"#
        ).answers(200, #"{"id":"p","changed":true,"dry_run":true}"#)
        try apiary.curl(
            "PUT /v1/probes/p?dry_run=true",
            json: """
                {"program":"h","function":"on_entry","attach":{"kind":"uprobe",
                 "binary":"\(ProbeKindTests.libc)","symbol":"getppidd"}}
                """
        ).answers(422, problem: .targetNotFound)
        #expect(try apiary.pins == pins)
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
        let disabled = #"{"program":"h","function":"on_entry","enabled":false}"#
        try apiary.curl("PUT /v1/probes/p", json: disabled).answers(201)
        try apiary.curl("PATCH /v1/probes/p?dry_run=true", json: #"{"enabled":true}"#)
            .answers(200, #"{"enabled":true,"state":"attached","link":null,"dry_run":true}"#)
        #expect(try apiary.pins == pins)
        try apiary.curl("GET /v1/probes/p").answers(200, #"{"state":"disabled"}"#)
        try apiary.curl("PATCH /v1/probes/p", json: #"{"enabled":true}"#).answers(200)
        try apiary.curl("PATCH /v1/probes/p?dry_run=true", json: #"{"enabled":false}"#)
            .answers(200, #"{"enabled":false,"state":"disabled","dry_run":true}"#)
        try apiary.curl("GET /v1/probes/p").answers(200, #"{"state":"attached"}"#)
    }

    @Test(.needs(.tracepoint)) func `probes are filtered by each of their members`() throws {
        let (apiary, _) = try hooks()
        try apiary.curl("POST /v1/probes", json: #"{"program":"h","function":"on_tracepoint"}"#)
            .answers(201)
        try apiary.curl(
            "POST /v1/probes", json: #"{"program":"h","function":"on_raw","enabled":false}"#
        ).answers(201)
        let filters = [
            "program=h": ["h.on_raw", "h.on_tracepoint"], "program=k": [],
            "function=on_raw": ["h.on_raw"], "kind=tracepoint": ["h.on_tracepoint"],
            "kind=uprobe": [], "state=disabled": ["h.on_raw"], "state=failed": [],
            "state=attached&kind=raw_tracepoint": [],
        ]
        for (filter, ids) in filters {
            #expect(try apiary.curl("GET /v1/probes?\(filter)").names("id") == ids, "\(filter)")
        }
    }
}
