import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProgramDeleteTests {
    @Test(.needs(.tracepoint)) func `DELETE leaves nothing of it in the kernel`() throws {
        let apiary = try TestDaemon()
        let loaded = try apiary.curl(
            "PUT /v1/programs/x?attach=auto", file: "counter.bpf.o"
        ).answers(201)
        let link = try apiary.link("x.count")
        #expect(try Machine.hasLink(link))
        let deleted = try apiary.curl("DELETE /v1/programs/x").answers(204)
        #expect(deleted.body.isEmpty)
        #expect(try !Machine.hasLink(link))
        #expect(try apiary.pins == [])
        let function = loaded["/functions/0/kernel_id"]?.int
        #expect(try !Machine.hasProgram(function))
        for map in loaded["/maps"]?.array ?? [] {
            let id = map["kernel_id"]?.int
            #expect(try !Machine.hasMap(id), "\(map.compact)")
        }
        try apiary.curl("GET /v1/programs/x").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
        try apiary.curl("GET /v1/maps/x").answers(404, problem: .notFound)
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
    }

    @Test(.needs(.tracepoint)) func `DELETE says what it removed where it is asked to`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "events.bpf.o").answers(201)
        let removed = try apiary.curl("DELETE /v1/programs/x", "Prefer: return=representation")
            .answers(
                200, #"{"name":"x","probes":["x.send"],"functions":["send"],"changed":true}"#)
        let maps = removed["/maps"]?.array?.compactMap(\.string) ?? []
        #expect(maps.contains("calls") && maps.contains(".bss"))
        #expect(try apiary.pins == [])
    }

    @Test func `what is not there is 404, unless that is fine`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("DELETE /v1/programs/x").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/programs/x?missing_ok=true").answers(204)
        try apiary.curl("DELETE /v1/programs/x?missing_ok=maybe")
            .answers(400, problem: .invalidParameter)
        try apiary.curl("DELETE /v1/probes/x").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/probes/x?missing_ok=true").answers(204)
        try apiary.curl("DELETE /v1/probes?program=x").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/probes?program=x&missing_ok=true").answers(204)
        try apiary.curl("DELETE /v1/probes").answers(400, problem: .invalidParameter)
    }

    @Test func `the object stays kept after its program`() throws {
        let apiary = try TestDaemon()
        let put = try apiary.curl("PUT /v1/programs/x", file: "undeclared.bpf.o").answers(201)
        let digest = put["/digest"]?.string ?? ""
        try apiary.curl("DELETE /v1/programs/x").answers(204)
        try apiary.curl("GET /v1/objects/\(digest)", "Accept: application/json")
            .answers(200, #"{"programs":[]}"#)
        try apiary.curl("PUT /v1/programs/y", json: #"{"object":{"digest":"\#(digest)"}}"#)
            .answers(201)
    }
}
