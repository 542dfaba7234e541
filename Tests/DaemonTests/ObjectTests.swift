import JSON
import Linux
import TestSupport
import Testing

/// Uploads by digest, and what becomes of objects that nobody uses.
@Suite(.requiresRoot) struct ObjectTests {
    private func digest(_ object: String) throws -> String {
        "sha256:" + (try Machine.run("sha256sum", Repository.object(object)).prefix(64))
    }

    @Test func `an object is kept under its digest and given back as it came`() throws {
        let apiary = try TestDaemon()
        let digest = try digest("counter.bpf.o")
        try apiary.curl("PUT /v1/objects/\(digest)?dry_run=true", file: "counter.bpf.o")
            .answers(200, #"{"changed":true,"dry_run":true}"#)
        try apiary.curl("GET /v1/objects/\(digest)").answers(404, problem: .notFound)
        let kept = try apiary.curl("PUT /v1/objects/\(digest)", file: "counter.bpf.o")
            .answers(201, #"{"digest":"\#(digest)","programs":[],"changed":true}"#)
        #expect(kept.etag == "\"\(digest)\"")
        #expect(kept.header("Location") == "/v1/objects/\(digest)")
        try apiary.curl("PUT /v1/objects/\(digest)", file: "counter.bpf.o")
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("PUT /v1/objects/\(digest)", "If-None-Match: *", file: "counter.bpf.o")
            .answers(412, problem: .preconditionFailed)
        let bytes = try apiary.curl("GET /v1/objects/\(digest)").answers(200)
        #expect(bytes.body == (try FileSystem.read(Repository.object("counter.bpf.o"))))
        try apiary.curl(
            "GET /v1/objects/\(digest)", "If-None-Match: \"\(digest)\"", "Accept: application/json"
        ).answers(304)
        try apiary.curl("PUT /v1/programs/x", json: #"{"object":{"digest":"\#(digest)"}}"#)
            .answers(201, #"{"digest":"\#(digest)"}"#)
        try apiary.restart()
        try apiary.curl("GET /v1/objects/\(digest)").answers(200)
    }

    @Test func `other bytes than the digest says are refused and not kept`() throws {
        let apiary = try TestDaemon()
        let digest = try digest("counter.bpf.o")
        let refused = try apiary.curl("PUT /v1/objects/\(digest)", file: "hooks.bpf.o")
            .answers(422, problem: .digestMismatch)
        #expect(refused["/detail"]?.string?.contains(try self.digest("hooks.bpf.o")) == true)
        let text =
            "sha256:" + (try Machine.run("sha256sum", Repository.root + "/Makefile").prefix(64))
        try apiary.curl("PUT /v1/objects/\(text)", file: Repository.root + "/Makefile")
            .answers(422, problem: .objectRefused)
        try apiary.curl("PUT /v1/objects/sha256:12", file: "counter.bpf.o")
            .answers(404, problem: .notFound)
        try apiary.curl(
            "PUT /v1/objects/\(digest)", json: #"{"base64":""}"#
        ).answers(415, problem: .unsupportedMediaType)
        #expect(try apiary.curl("GET /v1/objects").names("digest") == [])
        #expect(try FileSystem.list(apiary.stateDirectory + "/objects") == [])
    }

    @Test func `only what no program is made from can be deleted`() throws {
        let apiary = try TestDaemon()
        let used = try digest("counter.bpf.o")
        let unused = try digest("hooks.bpf.o")
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
        try apiary.curl("PUT /v1/objects/\(unused)", file: "hooks.bpf.o").answers(201)
        let refused = try apiary.curl("DELETE /v1/objects/\(used)")
            .answers(409, problem: .programInUse)
        #expect(refused["/detail"]?.string?.contains("x") == true)
        try apiary.curl("DELETE /v1/objects").answers(400, problem: .invalidParameter)
        try apiary.curl("DELETE /v1/objects?unused=true&dry_run=true")
            .answers(200, #"{"removed":["\#(unused)"],"changed":true,"dry_run":true}"#)
        try apiary.curl("DELETE /v1/objects/\(unused)?dry_run=true").answers(204)
        try apiary.curl("GET /v1/objects/\(unused)").answers(200)
        try apiary.curl("DELETE /v1/objects/\(unused)", "If-Match: \"\(used)\"")
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("DELETE /v1/objects/\(unused)").answers(204)
        try apiary.curl("DELETE /v1/objects/\(unused)").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/objects/\(unused)?missing_ok=true").answers(204)
        try apiary.curl("DELETE /v1/programs/x").answers(204)
        try apiary.curl("DELETE /v1/objects?unused=true")
            .answers(200, #"{"removed":["\#(used)"],"changed":true}"#)
        #expect(try FileSystem.list(apiary.stateDirectory + "/objects") == [])
        try apiary.curl("DELETE /v1/objects?unused=true")
            .answers(200, #"{"removed":[],"size_bytes":0,"changed":false}"#)
    }

    @Test func `files that no row names go at the start, others stay`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
        apiary.stop()
        let objects = apiary.stateDirectory + "/objects/"
        let stray = objects + String(repeating: "a", count: 64)
        for path in [stray, stray + ".new", objects + "notes.txt"] {
            try FileSystem.replace(path, with: [1].span)
        }
        try apiary.start()
        let left = try FileSystem.list(apiary.stateDirectory + "/objects")
        #expect(
            left.sorted()
                == [String(try digest("counter.bpf.o").dropFirst(7)), "notes.txt"].sorted())
        try apiary.curl("GET /v1/programs/x").answers(200, #"{"state":"loaded"}"#)
    }
}
