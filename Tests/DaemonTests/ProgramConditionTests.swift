import TestSupport
import Testing

@Suite(.requiresRoot) struct ProgramConditionTests {
    @Test func `If-Match guards every change`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", "If-Match: *", file: "undeclared.bpf.o")
            .answers(412, problem: .preconditionFailed)
        let first = try apiary.curl("PUT /v1/programs/x", file: "undeclared.bpf.o").answers(201)
        let tag = try #require(first.etag)
        try apiary.curl("PUT /v1/programs/x", "If-Match: \"0\"", file: "counter.bpf.o")
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("PATCH /v1/programs/x", "If-Match: \"0\"", json: #"{"labels":{"a":"b"}}"#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("DELETE /v1/programs/x", "If-Match: \"0\"")
            .answers(412, problem: .preconditionFailed)
        let same = try apiary.curl("GET /v1/programs/x").answers(200, #"{"labels":{}}"#)
        #expect(same.etag == tag)

        let second = try apiary.curl(
            "PATCH /v1/programs/x", "If-Match: \"0\", \(tag)", json: #"{"labels":{"a":"b"}}"#
        ).answers(200, #"{"changed":true}"#)
        #expect(second.etag != tag)
        try apiary.curl("PUT /v1/programs/x", "If-Match: \(tag)", file: "counter.bpf.o")
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("DELETE /v1/programs/x", "If-Match: \(second.etag ?? "")").answers(204)
    }

    @Test func `If-None-Match creates only, and spares the body of what the client has`() throws {
        let apiary = try TestDaemon()
        let first = try apiary.curl(
            "PUT /v1/programs/x", "If-None-Match: *", file: "undeclared.bpf.o"
        ).answers(201)
        try apiary.curl("PUT /v1/programs/x", "If-None-Match: *", file: "undeclared.bpf.o")
            .answers(412, problem: .preconditionFailed)
        let tag = first.etag ?? ""
        let spared = try apiary.curl("GET /v1/programs/x", "If-None-Match: \(tag)").answers(304)
        #expect(spared.body.isEmpty)
        #expect(spared.etag == tag)
        try apiary.curl("GET /v1/programs/x", "If-None-Match: W/\(tag)").answers(304)
        try apiary.curl("GET /v1/programs/x", "If-None-Match: \"0\"").answers(200)
        try apiary.curl("GET /v1/programs/x", "If-None-Match: 17")
            .answers(400, problem: .malformedRequest)
    }

    @Test func `the revision is the daemon's and only changes raise it`() throws {
        let apiary = try TestDaemon()
        func revision() throws -> Int {
            let list = try apiary.curl("GET /v1/programs").answers(200)
            return Int(list["/revision"]?.string ?? "") ?? -1
        }
        let empty = try revision()
        try apiary.curl("PUT /v1/programs/x", file: "undeclared.bpf.o").answers(201)
        let loaded = try revision()
        #expect(loaded > empty)
        try apiary.curl("PUT /v1/programs/x", file: "undeclared.bpf.o").answers(200)
        try apiary.curl("PUT /v1/programs/y", json: "{}").answers(400)
        try apiary.curl("GET /v1/programs/x").answers(200, #"{"revision":"\#(loaded)"}"#)
        #expect(try revision() == loaded)
        try apiary.curl("DELETE /v1/programs/x").answers(204)
        #expect(try revision() > loaded)
    }

    @Test func `a dry run goes through the verifier and leaves nothing`() throws {
        let apiary = try TestDaemon()
        let rehearsed = try apiary.curl(
            "PUT /v1/programs/x?dry_run=true&attach=auto&label=a=b", file: "counter.bpf.o"
        ).answers(
            200,
            """
            {"name":"x","changed":true,"dry_run":true,"labels":{"a":"b"},
             "functions":[{"name":"count","kernel_id":null}]}
            """)
        #expect(rehearsed.header("Location") == nil)
        #expect(try apiary.pins == [])
        #expect(try apiary.isAtRest)
        try apiary.curl("GET /v1/programs/x").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[],"revision":"0"}"#)
        try apiary.curl("PUT /v1/programs/x?dry_run=true", file: "refused_null.bpf.o")
            .answers(422, problem: .verifierRefused)
        #expect(try apiary.pins == [])
        try apiary.curl("GET /v1/objects").answers(200, #"{"items":[]}"#)
    }

    @Test func `a dry run touches nothing of what is there`() throws {
        let apiary = try TestDaemon()
        let first = try apiary.curl(
            "PUT /v1/programs/x?attach=auto", file: "counter.bpf.o"
        ).answers(201)
        let pins = try apiary.pins
        let link = try apiary.link("x.count")
        try apiary.curl("PUT /v1/programs/x?dry_run=true", file: "events.bpf.o")
            .answers(200, #"{"changed":true,"dry_run":true}"#)
        try apiary.curl("PUT /v1/programs/x?dry_run=true&attach=auto", file: "counter.bpf.o")
            .answers(200, #"{"changed":false,"dry_run":true}"#)
        try apiary.curl("PATCH /v1/programs/x?dry_run=true", json: #"{"labels":{"a":"b"}}"#)
            .answers(200, #"{"changed":true,"dry_run":true,"labels":{"a":"b"}}"#)
        try apiary.curl("DELETE /v1/programs/x?dry_run=true")
            .answers(200, #"{"name":"x","probes":["x.count"],"changed":true,"dry_run":true}"#)
        try apiary.curl("DELETE /v1/probes/x.count?dry_run=true").answers(204)
        try apiary.curl("DELETE /v1/probes?program=x&dry_run=true").answers(204)
        let same = try apiary.curl("GET /v1/programs/x").answers(200, #"{"labels":{}}"#)
        #expect(same.etag == first.etag)
        #expect(try apiary.link("x.count") == link)
        #expect(try apiary.pins == pins)
    }
}
