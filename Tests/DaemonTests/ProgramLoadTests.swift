import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProgramLoadTests {
    @Test func `an uploaded ELF is loaded and answered whole`() throws {
        let apiary = try TestDaemon()
        let answer = try apiary.curl("PUT /v1/programs/counter", file: "counter.bpf.o").answers(
            201,
            """
            {"name":"counter","state":"loaded","license":"GPL","labels":{},"changed":true,
             "globals":[],"functions":[{"name":"count","type":"tracepoint","probes":[],
              "section":"tracepoint/syscalls/sys_enter_getpgid"}]}
            """)
        #expect(answer.header("Location") == "/v1/programs/counter")
        #expect(answer.etag == "\"\(answer["/revision"]?.string ?? "")\"")
        let maps = answer["/maps"]?.array?.compactMap { $0["name"]?.string }
        #expect(maps?.sorted() == ["by_cpu", "by_uid", "callers", "totals"])

        let function = answer["/functions/0/kernel_id"]?.int
        let shown = try #require(try Machine.bpftool("prog", "show", "id", "\(function ?? 0)"))
        #expect(shown["tag"] == answer["/functions/0/tag"])
        #expect(shown["name"]?.string == "count")
        for map in answer["/maps"]?.array ?? [] {
            let id = map["kernel_id"]?.int ?? 0
            let shown = try #require(try Machine.bpftool("map", "show", "id", "\(id)"))
            #expect(shown["type"] == map["type"])
            #expect(shown["max_entries"] == map["max_entries"])
        }
        let digest = try Machine.run("sha256sum", Repository.object("counter.bpf.o")).prefix(64)
        #expect(answer["/digest"]?.string == "sha256:" + digest)
    }

    @Test func `the same bytes again change nothing`() throws {
        let apiary = try TestDaemon()
        let first = try apiary.curl("PUT /v1/programs/counter", file: "counter.bpf.o").answers(201)
        let again = try apiary.curl("PUT /v1/programs/counter", file: "counter.bpf.o")
            .answers(200, #"{"changed":false}"#)
        #expect(again.header("Location") == nil)
        for pointer in ["/revision", "/loaded_at", "/functions", "/maps", "/digest"] {
            #expect(again[pointer] == first[pointer], "\(pointer)")
        }
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[{"name":"counter"}]}"#)
    }

    @Test func `GET answers what PUT answered`() throws {
        let apiary = try TestDaemon()
        let put = try apiary.curl("PUT /v1/programs/g?label=team=infra", file: "globals.bpf.o")
            .answers(201)
        let got = try apiary.curl("GET /v1/programs/g").answers(200)
        for member in put.json.object ?? JSONObject() where member.name != "changed" {
            #expect(got.json[member.name] == member.value, "\(member.name)")
        }
        #expect(got.etag == put.etag)
        #expect(got["/changed"] == nil)
        let listed = try apiary.curl("GET /v1/programs").answers(200)
        #expect(listed["/items/0"] == got.json)
        #expect(listed["/next_cursor"] == .null)
    }

    @Test func `the object is read back byte for byte`() throws {
        let apiary = try TestDaemon()
        let put = try apiary.curl("PUT /v1/programs/events", file: "events.bpf.o").answers(201)
        let bytes = try FileSystem.read(Repository.object("events.bpf.o"))
        let digest = put["/digest"]?.string ?? ""

        let read = try apiary.curl("GET /v1/programs/events/object").answers(200)
        #expect(read.body == bytes)
        #expect(read.etag == "\"\(digest)\"")
        let kept = try apiary.curl("GET /v1/objects/\(digest)").answers(200)
        #expect(kept.body == bytes)
        try apiary.curl("GET /v1/programs/events/object", "If-None-Match: \"\(digest)\"")
            .answers(304)
        try apiary.curl("GET /v1/objects/\(digest)", "Accept: application/json").answers(
            200, #"{"digest":"\#(digest)","size_bytes":\#(bytes.count),"programs":["events"]}"#)
        try apiary.curl("GET /v1/objects").answers(200, #"{"items":[{"digest":"\#(digest)"}]}"#)
        let absent = "sha256:" + String(repeating: "0", count: 64)
        try apiary.curl("GET /v1/objects/\(absent)").answers(404, problem: "not_found")
    }

    @Test func `a bundled program is loaded with all its functions`() throws {
        let apiary = try TestDaemon()
        let answer = try apiary.curl("PUT /v1/programs/execsnoop", file: "execsnoop.bpf.o")
            .answers(201)
        let names = answer["/functions"]?.array?.compactMap { $0["name"]?.string } ?? []
        #expect(
            names.sorted() == ["enter_execve", "enter_execveat", "exit_execve", "exit_execveat"])
        let function = try apiary.curl("GET /v1/programs/execsnoop/functions/exit_execve").answers(
            200, #"{"program":"execsnoop","name":"exit_execve","type":"tracepoint","target":null}"#)
        #expect((function["/verified_instructions"]?.int ?? 0) > 0)
        #expect((function["/xlated_size_bytes"]?.int ?? 0) > 0)
        let maps = function["/maps"]?.array?.compactMap(\.string) ?? []
        #expect(maps.contains("execs"))
        try apiary.curl("GET /v1/programs/execsnoop/functions/exit_exec")
            .answers(404, problem: "not_found")
    }

    @Test func `names are taken as they are and never become paths`() throws {
        let apiary = try TestDaemon()
        for name in ["a", "A.b-c_9", "0", "x..y", String(repeating: "n", count: 127)] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "undeclared.bpf.o")
                .answers(201, #"{"name":"\#(name)"}"#)
        }
        let pins = try apiary.pins
        #expect(pins.count == 5)
        #expect(pins.allSatisfy { $0.utf8.count == 17 }, "\(pins)")
        let tooLong = String(repeating: "n", count: 128)
        for name in [".hidden", "-x", "_x", "a%20b", "é", tooLong] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "undeclared.bpf.o")
                .answers(400, problem: "invalid_name")
        }
        // A server that would resolve it is somebody else's: the gate refuses it.
        for name in ["%2e%2e", "a%2fb"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "undeclared.bpf.o")
                .answers(400, problem: "malformed_request")
        }
        #expect(try apiary.pins == pins)
    }
}
