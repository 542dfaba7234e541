import JSON
import TestSupport
import Testing

/// Conditional requests on a program's variables.
@Suite(.requiresRoot) struct GlobalConditionTests {
    @Test func `a variable's ETag holds a change to what was read`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/g", file: "globals.bpf.o").answers(201)
        let path = "/v1/programs/g/globals/threshold"
        let read = try apiary.curl("GET \(path)").answers(200, #"{"value":100}"#)
        let tag = try #require(read.etag)
        #expect(try apiary.curl("GET \(path)", "If-None-Match: \(tag)").status == 304)
        let changed = try apiary.curl("PATCH \(path)", "If-Match: \(tag)", json: #"{"value":5}"#)
            .answers(200, #"{"value":5,"changed":true}"#)
        #expect(changed.etag != tag)
        let stale = try apiary.curl("PATCH \(path)", "If-Match: \(tag)", json: #"{"value":6}"#)
            .answers(412, problem: .preconditionFailed)
        #expect(stale["/detail"]?.string?.contains("g/threshold") == true)
        try apiary.curl("PATCH \(path)", "If-Match: *", json: #"{"value":7}"#)
            .answers(200, #"{"value":7}"#)
        try apiary.curl("PATCH \(path)", "If-None-Match: *", json: #"{"value":8}"#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("GET \(path)", "If-None-Match: \(tag)").answers(200, #"{"value":7}"#)
        // The other variables' tags are their own.
        let other = try apiary.curl("GET /v1/programs/g/globals/offsets").answers(200)
        let otherTag = try #require(other.etag)
        try apiary.curl("PATCH \(path)", json: #"{"value":9}"#).answers(200)
        try apiary.curl(
            "PATCH /v1/programs/g/globals/offsets", "If-Match: \(otherTag)",
            json: #"{"value":[3,2,1]}"#
        ).answers(200)
    }

    @Test(.needs(.tracepoint))
    func `the ETag of all variables tells of clients' changes, and of the program's on reading`()
        throws
    {
        let apiary = try TestDaemon()
        let other = try Workload()
        let query = "attach=auto&global=target_pid=\(other.processIdentifier)"
        try apiary.curl("PUT /v1/programs/e?\(query)", file: "events.bpf.o").answers(201)
        let path = "/v1/programs/e/globals"
        let first = try #require(try apiary.curl("GET \(path)").answers(200).etag)
        #expect(try apiary.curl("GET \(path)", "If-None-Match: \(first)").status == 304)
        try other.getpgid(2)
        // What the program has counted is new to a reader, and no reason to refuse a change.
        let second = try apiary.curl("GET \(path)", "If-None-Match: \(first)").answers(200)
        #expect(second.etag != first)
        try apiary.curl("PATCH \(path)", "If-Match: \(first)", json: #"{"sent":50}"#)
            .answers(200, #"{"changed":true}"#)
        try apiary.curl("PATCH \(path)", "If-Match: \(first)", json: #"{"sent":60}"#)
            .answers(412, problem: .preconditionFailed)
        #expect(try apiary.global("e", "sent") == 50)
        // The program's own tag does as well.
        let program = try #require(try apiary.curl("GET /v1/programs/e").answers(200).etag)
        try apiary.curl(
            "PATCH \(path)?dry_run=true", "If-Match: \(program)", json: #"{"sent":61}"#
        ).answers(200, #"{"changed":true,"dry_run":true}"#)
        try apiary.curl("PATCH \(path)", "If-Match: \(program)", json: #"{"sent":61}"#)
            .answers(200)
        try apiary.curl("PATCH \(path)", "If-Match: \(program)", json: #"{"sent":62}"#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("PATCH \(path)", "If-Match: \"0\"", json: #"{"nosuch":1}"#)
            .answers(412, problem: .preconditionFailed)
    }
}
