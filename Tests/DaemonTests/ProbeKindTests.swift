import JSON
import TestSupport
import Testing

/// Each kind of attachment, explicit and by section name: the function runs exactly as often as
/// what it is attached to happens, and not once more when the probe is gone.
@Suite(.requiresRoot) struct ProbeKindTests {
    static let libc = "/lib/x86_64-linux-gnu/libc.so.6"

    private func counting(
        _ slot: Int, _ function: String, attach: String, link: String,
        _ call: (Workload) throws -> Void
    ) throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.curl(
            "PUT /v1/programs/h?global=target_pid=\(other.processIdentifier)"
                + "&global=number=\(Workload.getpgid)", file: "hooks.bpf.o"
        ).answers(201)
        try call(other)
        #expect(try apiary.value("h/counts", slot) == 0)

        // By the section's name.
        let posted = try apiary.curl(
            "POST /v1/probes", json: #"{"program":"h","function":"\#(function)"}"#
        ).answers(
            201,
            """
            {"id":"h.\(function)","program":"h","function":"\(function)","enabled":true,
             "state":"attached","labels":{},"changed":true,"attach":\(attach),
             "link":{"type":"\(link)","pinned":true}}
            """)
        #expect(posted.header("Location") == "/v1/probes/h.\(function)")
        try call(other)
        #expect(try apiary.value("h/counts", slot) == 10)
        let id = posted["/link/kernel_id"]?.int
        let shown = try #require(try Machine.bpftool("link", "show", "id", "\(id ?? 0)"))
        #expect(shown["type"]?.string == link)
        try apiary.curl("DELETE /v1/probes/h.\(function)").answers(204)
        #expect(try !Machine.hasLink(id))
        try call(other)
        #expect(try apiary.value("h/counts", slot) == 10)

        // Explicit.
        let request = #"{"program":"h","function":"\#(function)","attach":\#(attach)}"#
        let put = try apiary.curl("PUT /v1/probes/mine", json: request)
            .answers(201, #"{"id":"mine","state":"attached","changed":true}"#)
        try apiary.curl("PUT /v1/probes/mine", json: request)
            .answers(200, #"{"revision":\#(put["/revision"]?.compact ?? ""),"changed":false}"#)
        try call(other)
        #expect(try apiary.value("h/counts", slot) == 20)
        try apiary.curl("GET /v1/probes/mine").answers(200, #"{"attach":\#(attach)}"#)
    }

    @Test(.needs(.tracepoint)) func `a tracepoint counts each call`() throws {
        try counting(
            0, "on_tracepoint",
            attach: #"{"kind":"tracepoint","category":"syscalls","name":"sys_enter_getpgid"}"#,
            link: "perf_event"
        ) { try $0.getpgid(10) }
    }

    @Test(.needs(.rawTracepoint)) func `a raw tracepoint counts each call`() throws {
        try counting(
            1, "on_raw", attach: #"{"kind":"raw_tracepoint","name":"sys_enter"}"#,
            link: "raw_tracepoint"
        ) { try $0.getpgid(10) }
    }

    @Test(.needs(.tpBTF)) func `a tp_btf counts each call`() throws {
        try counting(2, "on_typed", attach: #"{"kind":"tp_btf"}"#, link: "raw_tracepoint") {
            try $0.getpgid(10)
        }
    }

    @Test(.needs(.uprobe)) func `a uprobe counts each call`() throws {
        try counting(
            3, "on_entry",
            attach: #"{"kind":"uprobe","binary":"\#(Self.libc)","symbol":"getppid"}"#,
            link: "perf_event"
        ) { try $0.getppid(10) }
    }

    @Test(.needs(.uretprobe)) func `a uretprobe counts each return`() throws {
        try counting(
            4, "on_return",
            attach: #"{"kind":"uretprobe","binary":"\#(Self.libc)","symbol":"getppid"}"#,
            link: "perf_event"
        ) { try $0.getppid(10) }
    }

    @Test(.needs(.uprobe)) func `pid leaves only one process`() throws {
        let apiary = try TestDaemon()
        let one = try Workload()
        let another = try Workload()
        try apiary.curl("PUT /v1/programs/u", file: "uprobe.bpf.o").answers(201)
        for (function, kind) in [("on_entry", "uprobe"), ("on_return", "uretprobe")] {
            try apiary.curl(
                "POST /v1/probes",
                json: """
                    {"program":"u","function":"\(function)","attach":{"kind":"\(kind)",
                     "binary":"\(Self.libc)","symbol":"getppid","pid":\(one.processIdentifier)}}
                    """
            ).answers(201, #"{"attach":{"pid":\#(one.processIdentifier)}}"#)
        }
        try one.getppid(7)
        try another.getppid(5)
        #expect(try apiary.global("u", "entries") == 7)
        #expect(try apiary.global("u", "returns") == 7)
        let section = try apiary.curl("GET /v1/maps/u/.bss/entries/0").answers(200)
        #expect(section["/value/entries"] == 7)
    }

    @Test(.needs(.uprobe)) func `a uprobe is placed by an offset too`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.curl("PUT /v1/programs/u", file: "uprobe.bpf.o").answers(201)
        let table = try Machine.run("sh", "-c", "nm -D \(Self.libc) | grep -w 'getppid'")
        let offset = try #require(Int(table.prefix { $0 != " " }, radix: 16))
        try apiary.curl(
            "POST /v1/probes",
            json: """
                {"program":"u","function":"on_entry","attach":{"kind":"uprobe",
                 "binary":"\(Self.libc)","offset":\(offset),"pid":\(other.processIdentifier)}}
                """
        ).answers(201, #"{"attach":{"offset":\#(offset)}}"#)
        try other.getppid(4)
        #expect(try apiary.global("u", "entries") == 4)
    }

    @Test(.needs(.tpBTF)) func `what tp_btf attaches to is told at the load`() throws {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/s", file: "tpbtf.bpf.o").answers(201)
        let digest = kept["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/t",
            json:
                #"{"object":{"digest":"\#(digest)"},"functions":{"targets":{"count":"sys_exit"}}}"#
        ).answers(201)
        try apiary.curl("GET /v1/programs/t/functions/count").answers(
            200, #"{"target":"sys_exit","type":"tracing"}"#)
        try apiary.curl("GET /v1/programs/s/functions/count").answers(
            200, #"{"target":"sys_enter"}"#)
        try apiary.curl("POST /v1/probes", json: #"{"program":"t","function":"count"}"#)
            .answers(201, #"{"attach":{"kind":"tp_btf"}}"#)
        try apiary.curl(
            "PUT /v1/programs/w",
            json:
                #"{"object":{"digest":"\#(digest)"},"functions":{"targets":{"count":"sys_entr"}}}"#
        ).answers(400, #"{"code":"invalid_member","pointer":"/functions/targets/count"}"#)
    }

    @Test(.needs(.uprobe)) func `the cookie is what the function reads`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        // The only thread of the workload has its process' id.
        try apiary.curl("PUT /v1/programs/c", file: "counts.bpf.o").answers(201)
        try apiary.curl(
            "PUT /v1/maps/c/.bss/entries/0",
            json: #"{"value":{"thread":\#(other.processIdentifier)}}"#
        ).answers(200, #"{"changed":true}"#)
        let attach = [
            (
                "on_tracepoint",
                #""kind":"tracepoint","category":"syscalls","name":"sys_enter_getpgid""#
            ),
            ("on_raw", #""kind":"raw_tracepoint","name":"sys_enter""#),
            ("on_typed", #""kind":"tp_btf""#),
            ("on_entry", #""kind":"uprobe","binary":"\#(Self.libc)","symbol":"getppid""#),
            ("on_return", #""kind":"uretprobe","binary":"\#(Self.libc)","symbol":"getppid""#),
        ]
        for (slot, (function, members)) in attach.enumerated() {
            let cookie = UInt64.max - UInt64(slot)
            try apiary.curl(
                "POST /v1/probes?int64=string",
                json:
                    """
                    {"program":"c","function":"\(function)",
                     "attach":{\(members),"cookie":\(cookie)}}
                    """
            ).answers(201, #"{"attach":{"cookie":"\#(cookie)"}}"#)
        }
        try other.getpgid(1)
        try other.getppid(1)
        for slot in [0, 1, 2, 3, 4] {
            #expect(try apiary.value("c/cookies", slot) == UInt64.max - UInt64(slot), "\(slot)")
        }
    }
}
