import JSON
import TestSupport
import Testing

/// `bpf_get_attach_cookie` gives what the probe was attached with.
@Suite(.requiresRoot) struct CookieTests {
    private func expectCookie(_ function: String, _ slot: Int, _ attach: String) throws {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "cookies.bpf.o").answers(201)
        let load = try apiary.curl(
            "PUT /v1/programs/c",
            json: """
                {"object":{"digest":"\(kept["/digest"]?.string ?? "")"},
                 "functions":{"only":["\(function)"]}}
                """)
        guard load.status == 201 else {
            // A kernel whose function of the kind knows no cookie.
            load.answers(422)
            return
        }
        let answer = try apiary.curl(
            "PUT /v1/probes/p",
            json: #"{"program":"c","function":"\#(function)","attach":{\#(attach)}}"#)
        guard answer.status == 201 else {
            answer.answers(501)
            return
        }
        #expect(answer["/attach/cookie"]?.uint64 == 12_345_678_901)
        let other = try Workload()
        try other.getpgid(2)
        try other.getppid(2)
        #expect(try Machine.waits { try apiary.value("c/cookies", slot) == 12_345_678_901 })
    }

    private static let cookie = #""cookie":12345678901"#

    @Test(.needs("tracepoint")) func `of a tracepoint`() throws {
        try expectCookie("by_tracepoint", 0, #""kind":"tracepoint",\#(Self.cookie)"#)
    }

    @Test(.needs("raw_tracepoint")) func `of a raw tracepoint`() throws {
        try expectCookie("by_raw", 1, #""kind":"raw_tracepoint",\#(Self.cookie)"#)
    }

    @Test(.needs("tp_btf")) func `of a typed tracepoint`() throws {
        try expectCookie("by_typed", 2, #""kind":"tp_btf",\#(Self.cookie)"#)
    }

    @Test(.needs("uprobe")) func `of a uprobe`() throws {
        try expectCookie("by_uprobe", 3, #""kind":"uprobe",\#(Self.cookie)"#)
    }

    @Test(.needs("uprobe_multi")) func `of a uprobe_multi`() throws {
        try expectCookie("by_uprobes", 4, #""kind":"uprobe_multi",\#(Self.cookie)"#)
    }

    @Test(.needs("ksyscall")) func `of a system call`() throws {
        try expectCookie("by_kprobe", 5, #""kind":"ksyscall",\#(Self.cookie)"#)
    }

    @Test(.needs("perf_event")) func `of a clock`() throws {
        try expectCookie(
            "by_clock", 6,
            #""kind":"perf_event","event":"cpu-clock","frequency":99,\#(Self.cookie)"#)
    }

    @Test(.needs("tracepoint")) func `a place is one probe's, whatever the cookie`() throws {
        let apiary = try TestDaemon()
        let load = try apiary.curl("PUT /v1/programs/b", file: "beside.bpf.o")
        load.answers(201)
        func put(_ id: String, _ members: String) throws -> Answer {
            try apiary.curl(
                "PUT /v1/probes/\(id)",
                json: #"{"program":"b","function":"on_call","attach":{\#(members)}}"#)
        }
        try put("p", "").answers(201)
        let other = try put("q", #""cookie":5"#)
        // Before 5.15 there is no cookie, and each perf event is a place of its own.
        guard other.status == 409 else {
            other.answers(501)
            return
        }
        other.answers(409, #"{"code":"attach_busy","holder_probe":"p"}"#)
        // The probe's own place is given up for the new.
        try put("p?dry_run=true", #""cookie":5"#).answers(200, #"{"changed":true}"#)
        try put("p", #""cookie":5"#).answers(200, #"{"changed":true}"#)
    }
}
