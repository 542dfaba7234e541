import Glibc
import JSON
import TestSupport
import Testing

/// Whole sessions with the built daemon, by curl. Every answer is held against the contract.
@Suite(.requiresRoot, .serialized)
struct DaemonTests {
    @Test func `what needs no program answers as the contract says`() throws {
        let apiary = try TestDaemon()
        for path in [
            "/v1", "/v1/health", "/v1/ready", "/v1/host", "/v1/openapi.json", "/problems",
            "/problems/not_found", "/v1/programs", "/v1/probes", "/v1/maps", "/v1/events/ledger",
            "/v1/objects", "/v1/audit",
        ] {
            let body = try apiary.curl("GET \(path)").answers(200).body
            let head = try apiary.curl("HEAD \(path)").answers(200)
            #expect(head.header("Content-Length") == "\(body.count)", "\(path)")
        }
        try apiary.curl("GET /problems/no_such").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/nothing").answers(404, problem: .notFound)
        let refused = try apiary.curl("POST /v1/host").answers(405, problem: .methodNotAllowed)
        #expect(refused.header("Allow")?.contains("GET") == true)
        try apiary.curl("GET /v1/programs?dryrun=true").answers(400, problem: .unknownParameter)
        try apiary.curl("GET /v1/programs?limit=0").answers(400, problem: .invalidParameter)
        let named = try apiary.curl("GET /v1/health", "X-Request-Id: mine.1")
        #expect(named.header("X-Request-Id") == "mine.1")
    }

    @Test func `the contract that is served is the one in the sources`() throws {
        let apiary = try TestDaemon()
        let served = try apiary.curl("GET /v1/openapi.json").answers(200).text
        #expect(try served == Repository.text("openapi/apiary.json"))
    }

    @Test func `a program is loaded, shown, left alone when sent again, and deleted`() throws {
        let apiary = try TestDaemon()
        let created = try apiary.curl("PUT /v1/programs/counts", file: "counter.bpf.o")
            .answers(201, #"{"name":"counts","state":"loaded","changed":true,"labels":{}}"#)
        #expect(created.header("Location") == "/v1/programs/counts")
        try apiary.curl("PUT /v1/programs/counts", file: "counter.bpf.o")
            .answers(200, #"{"changed":false}"#)
        let shown = try apiary.curl("GET /v1/programs/counts").answers(200)
        try apiary.curl("GET /v1/programs/counts", "If-None-Match: \(shown.etag ?? "")").answers(
            304)
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[{"name":"counts"}]}"#)
        try apiary.curl("GET /v1/programs/counts/functions/count")
            .answers(200, #"{"type":"tracepoint","probes":[]}"#)
        try apiary.curl("PATCH /v1/programs/counts", json: #"{"labels":{"team":"infra"}}"#)
            .answers(200, #"{"labels":{"team":"infra"},"changed":true}"#)
        try apiary.curl("GET /v1/programs?label=team=infra")
            .answers(200, #"{"items":[{"name":"counts"}]}"#)
        try apiary.curl("GET /v1/programs?label=team=other").answers(200, #"{"items":[]}"#)
        try apiary.curl("GET /v1/objects").answers(200, #"{"items":[{"programs":["counts"]}]}"#)
        try apiary.curl("DELETE /v1/programs/counts", #"If-Match: "0""#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("DELETE /v1/programs/counts").answers(204)
        try apiary.curl("DELETE /v1/programs/counts").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/programs/counts?missing_ok=true").answers(204)
        try apiary.curl("GET /v1/audit").answers(200)
    }

    @Test func `a dry run goes through the verifier and leaves nothing`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/counts?dry_run=true", file: "counter.bpf.o")
            .answers(200, #"{"changed":true,"dry_run":true}"#)
        try apiary.curl("GET /v1/programs/counts").answers(404, problem: .notFound)
        try apiary.curl("PUT /v1/programs/bad?dry_run=true", file: "refused_null.bpf.o")
            .answers(422, problem: .verifierRefused)
    }

    @Test(.needs(.tracepoint))
    func `a probe outlives kill -9 of the daemon, and its program's maps go on counting`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/counts?attach=auto", file: "counter.bpf.o").answers(201)
        try apiary.curl("GET /v1/probes/counts.count")
            .answers(200, #"{"state":"attached","link":{"pinned":true}}"#)
        func total() throws -> Int {
            let entry = try apiary.curl("GET /v1/maps/counts/totals/entries/0").answers(200)
            return try #require(entry["/value"]?.int)
        }
        _ = getpgid(0)
        let before = try total()
        #expect(before >= 1)
        apiary.kill9()
        _ = getpgid(0)
        try apiary.start()
        #expect(try total() > before)
        try apiary.curl("GET /v1/programs/counts").answers(200, #"{"state":"loaded"}"#)
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[{"id":"counts.count"}]}"#)
        // One function at one tracepoint twice is EEXIST: bpf_prog_array_copy in kernel/bpf/core.c.
        let again = #"{"program":"counts","function":"count"}"#
        try apiary.curl("POST /v1/probes", json: again).answers(409, problem: .attachBusy)
        let more =
            #"{"program":"counts","function":"count","#
            + #""attach":{"kind":"tracepoint","category":"syscalls","name":"sys_enter_getsid"}}"#
        try apiary.curl("POST /v1/probes", json: more)
            .answers(201, #"{"id":"counts.count-2","state":"attached","changed":true}"#)
        try apiary.curl("PATCH /v1/probes/counts.count", json: #"{"enabled":false}"#)
            .answers(200, #"{"state":"disabled","link":null}"#)
        try apiary.curl("DELETE /v1/probes?program=counts").answers(204)
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
    }

    @Test func `entries are typed by BTF, and wrong ones are refused with their numbers`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/counts", file: "counter.bpf.o").answers(201)
        let maps = "/v1/maps/counts"
        try apiary.curl("GET \(maps)").answers(200)
        try apiary.curl("GET \(maps)/callers")
            .answers(200, #"{"type":"hash","key_type":"struct caller","key_size_bytes":8}"#)
        let key = #"{"pid":7,"uid":8}"#
        try apiary.curl("GET \(maps)/callers/entries/\(key)").answers(404, problem: .notFound)
        let value = #"{"value":{"calls":18446744073709551615,"last_ns":2,"comm":"cat"}}"#
        try apiary.curl("PUT \(maps)/callers/entries/\(key)", json: value)
            .answers(201, #"{"key":{"pid":7,"uid":8},"changed":true}"#)
        try apiary.curl("PUT \(maps)/callers/entries/\(key)?mode=create", json: value)
            .answers(409, problem: .alreadyExists)
        try apiary.curl("GET \(maps)/callers/entries/\(key)").answers(200, value)
        try apiary.curl("GET \(maps)/callers/entries/\(key)?int64=string")
            .answers(200, #"{"value":{"calls":"18446744073709551615"}}"#)
        try apiary.curl("GET \(maps)/callers/entries/hex:0700000008000000").answers(200, value)
        try apiary.curl("GET \(maps)/callers/entries?limit=1")
            .answers(200, #"{"items":[{"key":{"pid":7,"uid":8}}]}"#)
        try apiary.curl("GET \(maps)/callers/entries/hex:07").answers(422, problem: .sizeMismatch)
        let wrong = #"{"value":{"calls":-1}}"#
        try apiary.curl("PUT \(maps)/callers/entries/\(key)", json: wrong)
            .answers(422, problem: .invalidValue)
        try apiary.curl("GET \(maps)/by_cpu/entries/0").answers(200)
        try apiary.curl("DELETE \(maps)/totals/entries/0")
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("DELETE \(maps)/callers/entries/\(key)").answers(204)
        try apiary.curl("DELETE \(maps)/callers/entries/\(key)").answers(404, problem: .notFound)
    }

    @Test func `the daemon stops on SIGTERM with status 0`() throws {
        let apiary = try TestDaemon()
        #expect(apiary.stop() == 0)
        #expect(apiary.processIdentifier == nil)
    }
}
