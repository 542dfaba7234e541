import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct ReplacementTests {
    @Test func `a function is put in another program's place, or the kernel's refusal is told`()
        throws
    {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "replacement.bpf.o")
            .answers(201)
        func load(_ name: String, _ functions: String) throws -> Answer {
            try apiary.curl(
                "PUT /v1/programs/\(name)",
                json: """
                    {"object":{"digest":"\(kept["/digest"]?.string ?? "")"},
                     "functions":\(functions)}
                    """)
        }
        try load("target", #"{"only":["on_packet"]}"#).answers(201)
        func replacing(_ target: String) -> String {
            #"{"only":["other_verdict"],"targets":{"other_verdict":"\#(target)"}}"#
        }
        try load("r", replacing("targets/verdict")).answers(
            400, #"{"code":"invalid_member","hint":"Near it: target."}"#)
        try load("r", replacing("target/verdikt")).answers(400, problem: .invalidMember)
        let loaded = try load("r", replacing("target/verdict"))
        if loaded.status != 201 {
            loaded.answers(501)
            #expect(loaded["/errno"]?.string == "EPERM")
            return
        }
        try apiary.curl(
            "POST /v1/probes",
            json: """
                {"program":"r","function":"other_verdict",
                 "attach":{"kind":"freplace","program":"target","function":"verdict"}}
                """
        ).answers(201, #"{"state":"attached","link":{"type":"tracing","pinned":true}}"#)
    }
}
