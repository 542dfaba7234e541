import JSON
import TestSupport
import Testing

/// Where a probe cannot be: the answer names the member, and what would be near.
@Suite(.requiresRoot) struct ProbeRefusalTests {
    private let apiary: TestDaemon

    init() throws {
        apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/h", file: "hooks.bpf.o").answers(201)
    }

    private func attach(_ function: String, _ members: String) throws -> Answer {
        try apiary.curl(
            "PUT /v1/probes/p",
            json: #"{"program":"h","function":"\#(function)","attach":{\#(members)}}"#)
    }

    private func isUntouched() throws {
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
        #expect(try apiary.pins.count == 1)
    }

    @Test func `a function of another kind is refused`() throws {
        try attach("on_tracepoint", #""kind":"raw_tracepoint","name":"sys_enter""#)
            .answers(422, problem: .wrongKind)
        try attach("on_raw", #""kind":"tp_btf""#).answers(422, problem: .wrongKind)
        try attach("on_entry", #""kind":"tracepoint","category":"sched","name":"sched_switch""#)
            .answers(422, problem: .wrongKind)
        try attach(
            "on_typed", #""kind":"uprobe","binary":"\#(ProbeKindTests.libc)","symbol":"getppid""#
        ).answers(422, problem: .wrongKind)
        try isUntouched()
    }

    @Test func `a name that does not exist is refused with what is near`() throws {
        let tracepoint = try attach(
            "on_tracepoint",
            #""kind":"tracepoint","category":"syscalls","name":"sys_enter_getpgidd""#
        ).answers(422, problem: .targetNotFound)
        #expect(tracepoint["/hint"]?.string?.contains("sys_enter_getpgid") == true)
        #expect(tracepoint["/errno"] == "ENOENT")
        let category = try attach(
            "on_tracepoint", #""kind":"tracepoint","category":"syscall","name":"sys_enter_getpgid""#
        ).answers(422, problem: .targetNotFound)
        #expect(category["/hint"]?.string?.contains("syscalls") == true)
        try attach("on_raw", #""kind":"raw_tracepoint","name":"sys_entr""#)
            .answers(422, problem: .targetNotFound)
        let symbol = try attach(
            "on_entry", #""kind":"uprobe","binary":"\#(ProbeKindTests.libc)","symbol":"getppidd""#
        ).answers(422, problem: .targetNotFound)
        #expect(symbol["/detail"]?.string?.contains("\"getppid\"") == true)
        try isUntouched()
    }

    @Test func `a binary that is no file is refused`() throws {
        let absent = try attach(
            "on_entry", #""kind":"uprobe","binary":"/lib/absent.so","symbol":"getppid""#
        ).answers(422, #"{"code":"target_not_found","pointer":"/attach/binary"}"#)
        #expect(absent["/detail"]?.string?.contains("/lib/absent.so") == true)
        try attach("on_entry", #""kind":"uprobe","binary":"libc.so.6","symbol":"getppid""#)
            .answers(400, #"{"pointer":"/attach/binary"}"#)
        try attach("on_entry", #""kind":"uprobe","binary":"/etc/passwd","symbol":"getppid""#)
            .answers(422)
        try attach("on_entry", #""kind":"uprobe","binary":"/etc","symbol":"getppid""#)
            .answers(422)
        try attach(
            "on_entry",
            #""kind":"uprobe","binary":"\#(ProbeKindTests.libc)","symbol":"getppid","#
                + #""pid":2147483646"#
        ).answers(422, #"{"code":"target_not_found","pointer":"/attach/pid"}"#)
        try isUntouched()
    }

    @Test func `a member that is missing or too much is refused`() throws {
        let refused: [(function: String, members: String, code: String)] = [
            ("on_tracepoint", #""kind":"tracepoint","name":"x""#, "invalid_member"),
            ("on_tracepoint", #""kind":"tracepoint","category":"syscalls""#, "invalid_member"),
            ("on_entry", #""kind":"uprobe","symbol":"getppid""#, "invalid_member"),
            ("on_entry", #""kind":"uprobe","binary":"/bin/sh""#, "invalid_member"),
            ("on_tracepoint", #""kind":"tracepint""#, "invalid_member"),
            ("on_tracepoint", #""category":"syscalls""#, "invalid_member"),
            ("on_raw", #""kind":"raw_tracepoint","name":"sys_enter","pid":1"#, "unknown_member"),
            (
                "on_entry",
                #""kind":"uprobe","binary":"/bin/sh","symbol":"main","pid":0"#, "invalid_member"
            ),
            (
                "on_entry",
                #""kind":"uprobe","binary":"/bin/sh","symbol":"main","cookie":-1"#,
                "invalid_member"
            ),
        ]
        for (function, members, code) in refused {
            try attach(function, members).answers(400, problem: code)
        }
        for (json, code) in [
            (#"{"function":"on_raw"}"#, "invalid_member"), (#"{"program":"h"}"#, "invalid_member"),
            (#"{"program":"h","function":"on_raw","enable":true}"#, "unknown_member"),
            (#"{"program":"h","function":"on_raw","enabled":1}"#, "invalid_member"),
        ] {
            try apiary.curl("POST /v1/probes", json: json).answers(400, problem: code)
        }
        let kind = try attach("on_tracepoint", #""kind":"tracepint""#)
        #expect(kind["/hint"]?.string?.contains("tracepoint") == true)
        #expect(kind["/pointer"] == "/attach/kind")
        try isUntouched()
    }

    @Test func `a program or function that is not there is refused`() throws {
        try apiary.curl("POST /v1/probes", json: #"{"program":"k","function":"on_raw"}"#)
            .answers(404, #"{"pointer":"/program"}"#)
        let near = try apiary.curl(
            "POST /v1/probes", json: #"{"program":"h","function":"on_row"}"#
        ).answers(404, #"{"pointer":"/function"}"#)
        #expect(near["/hint"]?.string?.contains("on_raw") == true)
        try apiary.curl(
            "PUT /v1/probes/a%20b", json: #"{"program":"h","function":"on_raw"}"#
        ).answers(400, problem: .invalidName)
        try isUntouched()
    }

    @Test(.needs(.tracepoint)) func `the same function twice at one tracepoint is told as busy`()
        throws
    {
        let request = #"{"program":"h","function":"on_tracepoint"}"#
        try apiary.curl("POST /v1/probes", json: request).answers(201)
        let pins = try apiary.pins
        try apiary.curl("POST /v1/probes", json: request)
            .answers(409, #"{"code":"attach_busy","errno":"EEXIST"}"#)
        #expect(try apiary.pins == pins)
        try apiary.curl("GET /v1/probes/h.on_tracepoint").answers(200, #"{"state":"attached"}"#)
        try apiary.curl("GET /v1/probes/h.on_tracepoint-2").answers(404)
    }

    @Test(.needs(.tracepoint)) func `a tracepoint with 64 programs takes no more`() throws {
        for number in 1...64 {
            try apiary.curl("PUT /v1/programs/p\(number)?attach=auto", file: "crowd.bpf.o")
                .answers(201)
        }
        let pins = try apiary.pins
        let full = try apiary.curl("PUT /v1/programs/p65?attach=auto", file: "crowd.bpf.o")
            .answers(409, #"{"code":"attach_busy","errno":"E2BIG"}"#)
        #expect(full["/hint"]?.string?.contains("64") == true)
        #expect(try apiary.pins == pins)
        try apiary.curl("GET /v1/programs/p65").answers(404, problem: .notFound)
    }

    @Test(.needs(.uprobe)) func `the same function twice at one symbol is fine`() throws {
        let request = #"{"program":"h","function":"on_entry"}"#
        try apiary.curl("POST /v1/probes", json: request).answers(201)
        try apiary.curl("POST /v1/probes", json: request).answers(201)
    }
}
