import Foundation
import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProgramOptionTests {
    @Test func `globals of a query are set before the load`() throws {
        let apiary = try TestDaemon()
        try apiary.curl(
            "PUT /v1/programs/g?global=target_pid=42&global=large=18446744073709551615"
                + "&global=negative=-7&global=enabled=true&global=level=\"LOUD\""
                + "&global=prefix=\"eth\"&global=ports=[1,2,3,4]"
                + "&global=limits={\"least\":3,\"most\":9,\"label\":\"ab\"}&global=threshold=5",
            file: "globals.bpf.o"
        ).answers(201)
        let expected = [
            "target_pid": "42", "large": "18446744073709551615", "negative": "-7",
            "enabled": "true", "level": "\"LOUD\"", "prefix": "\"eth\"", "ports": "[1,2,3,4]",
            "limits": #"{"least":3,"most":9,"label":"ab"}"#, "threshold": "5", "small": "1",
        ]
        for (name, text) in expected {
            #expect(try apiary.global("g", name) == (try JSONValue.parse(text)), "\(name)")
        }
        let exact = try apiary.curl("GET /v1/programs/g?int64=string").answers(200)
        let large = exact["/globals"]?.array?.first { $0["name"] == "large" }
        #expect(large?["value"] == "18446744073709551615")
        try apiary.curl("PUT /v1/programs/g?global=target_pid=42", file: "globals.bpf.o")
            .answers(200, #"{"changed":true}"#)
        #expect(try apiary.global("g", "negative") == -2)
    }

    @Test func `a wrong global is refused and named`() throws {
        let apiary = try TestDaemon()
        let put = "PUT /v1/programs/g?global="
        let near = try apiary.curl(put + "target_pidd=1", file: "globals.bpf.o")
            .answers(422, problem: "invalid_value")
        #expect(near.text.contains("target_pid"))
        try apiary.curl(put + "target_pid=-1", file: "globals.bpf.o")
            .answers(422, #"{"code":"invalid_value","pointer":"/globals/target_pid"}"#)
        try apiary.curl(put + "target_pid=\"x\"", file: "globals.bpf.o")
            .answers(422, problem: "invalid_value")
        try apiary.curl(put + "target_pid=x", file: "globals.bpf.o")
            .answers(400, problem: "invalid_parameter")
        try apiary.curl(put + "=1", file: "globals.bpf.o")
            .answers(400, problem: "invalid_parameter")
        try apiary.curl("DELETE /v1/programs/g?missing_ok=true").answers(204)
        #expect(try apiary.pins == [])
    }

    @Test func `a document has all options`() throws {
        let apiary = try TestDaemon()
        let bytes = try FileSystem.read(Repository.object("globals.bpf.o"))
        let base64 = Data(bytes).base64EncodedString()
        let put = try apiary.curl(
            "PUT /v1/programs/g",
            json: """
                {"object":{"base64":"\(base64)"},"globals":{"target_pid":7,"enabled":true},
                 "labels":{"team":"infra"},"verifier_log":"full","attach":"auto"}
                """
        ).answers(
            201,
            """
            {"labels":{"team":"infra"},"size_bytes":\(bytes.count),
             "functions":[{"probes":["g.use"]}]}
            """
        )
        #expect(try apiary.global("g", "target_pid") == 7)
        let digest = put["/digest"]?.string ?? ""
        try apiary.curl("PUT /v1/programs/h", json: #"{"object":{"digest":"\#(digest)"}}"#)
            .answers(201, #"{"digest":"\#(digest)"}"#)
        #expect(try apiary.curl("GET /v1/programs/h/object").body == bytes)
        let absent = "sha256:" + String(repeating: "0", count: 64)
        try apiary.curl("PUT /v1/programs/i", json: #"{"object":{"digest":"\#(absent)"}}"#)
            .answers(404, problem: "not_found")
    }

    @Test func `only the functions that were asked for are loaded`() throws {
        let apiary = try TestDaemon()
        let first = try apiary.curl("PUT /v1/programs/all", file: "hooks.bpf.o").answers(201)
        let digest = first["/digest"]?.string ?? ""
        let some = try apiary.curl(
            "PUT /v1/programs/some",
            json: #"{"object":{"digest":"\#(digest)"},"functions":{"only":["on_raw"]}}"#
        ).answers(201)
        #expect(some["/functions"]?.array?.map { $0["name"] } == ["on_raw"])
        try apiary.curl(
            "PUT /v1/programs/none",
            json: #"{"object":{"digest":"\#(digest)"},"functions":{"only":["on_row"]}}"#
        ).answers(400, #"{"code":"invalid_member","pointer":"/functions/only/0"}"#)
    }

    @Test func `a map's size is the client's`() throws {
        let apiary = try TestDaemon()
        let first = try apiary.curl("PUT /v1/programs/a", file: "counter.bpf.o").answers(201)
        let digest = first["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/b",
            json: #"{"object":{"digest":"\#(digest)"},"maps":{"callers":{"max_entries":7}}}"#
        ).answers(201)
        try apiary.curl("GET /v1/maps/b/callers").answers(200, #"{"max_entries":7}"#)
        try apiary.curl(
            "PUT /v1/programs/c",
            json: #"{"object":{"digest":"\#(digest)"},"maps":{"caller":{"max_entries":7}}}"#
        ).answers(400, #"{"code":"invalid_member","pointer":"/maps/caller/max_entries"}"#)
    }

    @Test func `attach=auto attaches each function as its section says`() throws {
        let apiary = try TestDaemon()
        let answer = try apiary.curl(
            "PUT /v1/programs/hooks?attach=auto", file: "hooks.bpf.o"
        ).answers(201)
        let probes = answer["/functions"]?.array?.compactMap { $0["probes"]?.array?.first?.string }
        #expect(
            probes?.sorted() == [
                "hooks.on_entry", "hooks.on_raw", "hooks.on_return", "hooks.on_tracepoint",
                "hooks.on_typed",
            ])
        let listed = try apiary.curl("GET /v1/probes?program=hooks&state=attached").answers(200)
        #expect(listed.names("id").count == 5)
        try apiary.curl("PUT /v1/programs/hooks?attach=auto", file: "hooks.bpf.o")
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("DELETE /v1/probes/hooks.on_raw").answers(204)
        try apiary.curl("PUT /v1/programs/hooks?attach=auto", file: "hooks.bpf.o")
            .answers(200, #"{"changed":true}"#)
        try apiary.curl("GET /v1/probes/hooks.on_raw").answers(200, #"{"state":"attached"}"#)
    }

    @Test func `attach=auto is all or nothing`() throws {
        let apiary = try TestDaemon()
        // `SEC("uprobe")` does not say where.
        try apiary.curl("PUT /v1/programs/u?attach=auto", file: "uprobe.bpf.o")
            .answers(400, problem: "invalid_member")
        try apiary.curl("GET /v1/programs/u").answers(404, problem: "not_found")
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
        #expect(try apiary.pins == [])
    }

    @Test func `labels are set, filtered by, changed and removed`() throws {
        let apiary = try TestDaemon()
        try apiary.curl(
            "PUT /v1/programs/a?label=team=infra&label=tier=1", file: "undeclared.bpf.o"
        ).answers(201, #"{"labels":{"team":"infra","tier":"1"}}"#)
        try apiary.curl("PUT /v1/programs/b?label=team=web", file: "undeclared.bpf.o").answers(201)
        #expect(try apiary.curl("GET /v1/programs?label=team=infra").names() == ["a"])
        #expect(try apiary.curl("GET /v1/programs?label=team=infra&label=tier=2").names() == [])
        let patched = try apiary.curl(
            "PATCH /v1/programs/a", json: #"{"labels":{"tier":null,"zone":"x=y"}}"#
        ).answers(200, #"{"labels":{"team":"infra","zone":"x=y"},"changed":true}"#)
        #expect(patched["/labels/tier"] == nil)
        #expect(try apiary.curl("GET /v1/programs?label=zone=x=y").names() == ["a"])
        try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"zone":"x=y"}}"#)
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"zone":7}}"#)
            .answers(400, #"{"code":"invalid_member","pointer":"/labels/zone"}"#)
        try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"a b":"c"}}"#)
            .answers(400, problem: "invalid_member")
        try apiary.curl("PATCH /v1/programs/a", json: #"{"lables":{}}"#)
            .answers(400, #"{"code":"unknown_member","pointer":"/lables"}"#)
        try apiary.curl("PATCH /v1/programs/c", json: #"{"labels":{}}"#)
            .answers(404, problem: "not_found")
        try apiary.curl("GET /v1/programs?label=team").answers(400, problem: "invalid_parameter")
    }

    @Test func `what is not known in a request is refused and pointed at`() throws {
        let apiary = try TestDaemon()
        let put = "PUT /v1/programs/x"
        let typo = try apiary.curl(put + "?dryrun=true", file: "undeclared.bpf.o")
            .answers(400, problem: "unknown_parameter")
        #expect(typo["/detail"]?.string?.contains("dry_run") == true)
        try apiary.curl(put + "?attach=yes", file: "undeclared.bpf.o")
            .answers(400, problem: "invalid_parameter")
        try apiary.curl(put + "?dry_run=1", file: "undeclared.bpf.o")
            .answers(400, problem: "invalid_parameter")
        try apiary.curl(put + "?attach=none&attach=auto", file: "undeclared.bpf.o")
            .answers(400, problem: "invalid_parameter")
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let refused: [(json: String, code: String, pointer: String)] = [
            (#"{"object":{"digest":"\#(digest)"},"dry_run":true}"#, "unknown_member", "/dry_run"),
            (#"{"object":{"digest":"\#(digest)","a/b":1}}"#, "unknown_member", "/object/a~1b"),
            (#"{"object":{"digest":"sha256:12"}}"#, "invalid_member", "/object/digest"),
            (#"{"object":{"base64":"not base64"}}"#, "invalid_member", "/object/base64"),
            (#"{"object":{}}"#, "invalid_member", "/object"),
            (#"{}"#, "invalid_member", "/object"),
            (#"{"object":{"digest":"\#(digest)"},"attach":"all"}"#, "invalid_member", "/attach"),
            (#"{"object":{"digest":"\#(digest)"},"labels":[]}"#, "invalid_member", "/labels"),
            (
                #"{"object":{"digest":"\#(digest)"},"functions":{"except":[]}}"#, "unknown_member",
                "/functions/except"
            ),
        ]
        for (json, code, pointer) in refused {
            try apiary.curl(put, json: json)
                .answers(400, #"{"code":"\#(code)","pointer":"\#(pointer)"}"#)
        }
        for text in ["", "[]", "{", "{\"object\":1,\"object\":2}", "\"x\""] {
            try apiary.curl(put, json: text).answers(400, problem: "malformed_json")
        }
        try apiary.curl(put + "?attach=auto", json: #"{"object":{"digest":"\#(digest)"}}"#)
            .answers(400, problem: "invalid_parameter")
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[]}"#)
    }
}
