import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct HTTPConductTests {
    @Test func `HEAD answers as GET, without the body`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", file: "undeclared.bpf.o").answers(201)
        for path in ["/v1", "/v1/programs", "/v1/programs/x", "/v1/health", "/v1/host", "/v1/maps"]
        {
            let got = try apiary.curl("GET \(path)").answers(200)
            let head = try apiary.curl("HEAD \(path)").answers(200)
            #expect(head.body.isEmpty)
            #expect(head.header("Content-Type") == got.header("Content-Type"))
            #expect(head.header("Content-Length") == got.header("Content-Length"), "\(path)")
            #expect(head.etag == got.etag)
        }
        try apiary.curl("HEAD /v1/programs/y").answers(404)
        let object = try apiary.curl("HEAD /v1/programs/x/object").answers(200)
        let size = try FileSystem.read(Repository.object("undeclared.bpf.o")).count
        #expect(object.header("Content-Length") == "\(size)")
    }

    @Test func `OPTIONS and 405 tell the methods`() throws {
        let apiary = try TestDaemon()
        let allowed = try apiary.curl("POST /v1/programs/x", json: "{}")
            .answers(405, problem: .methodNotAllowed)
        let methods = Set((allowed.header("Allow") ?? "").split(separator: ", ").map(String.init))
        #expect(methods.isSuperset(of: ["GET", "HEAD", "PUT", "PATCH", "DELETE"]))
        #expect(!methods.contains("POST"))
        let asked = try Machine.run(
            "curl", "-sS", "-D", "-", "-X", "OPTIONS", "--unix-socket", apiary.socket,
            "http://localhost/v1/programs/x")
        #expect(asked.hasPrefix("HTTP/1.1 204"))
        #expect(asked.contains("Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS\r\n"), "\(asked)")
        try apiary.curl("DELETE /v1/health").answers(405, problem: .methodNotAllowed)
        try apiary.curl("BREW /v1/health").answers(405, problem: .methodNotAllowed)
    }

    @Test func `a body of another type is 415, an answer of another type 406`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", "Content-Type: text/plain", json: "{}")
            .answers(415, problem: .unsupportedMediaType)
        try apiary.curl("POST /v1/probes", "Content-Type: application/xml", json: "<a/>")
            .answers(415, problem: .unsupportedMediaType)
        try apiary.curl("GET /v1/programs", "Accept: text/html").answers(
            406, problem: .notAcceptable)
        try apiary.curl("GET /v1/events?follow=false", "Accept: image/png")
            .answers(406, problem: .notAcceptable)
        try apiary.curl("GET /v1/programs", "Accept: text/html, */*;q=0.1").answers(200)
        try apiary.curl("GET /v1/programs", "Accept: application/*").answers(200)
    }

    @Test func `the request's id is the client's where it is sane`() throws {
        let apiary = try TestDaemon()
        let mine = try apiary.curl("GET /v1/health", "X-Request-Id: a.B-9_z").answers(200)
        #expect(mine.header("X-Request-Id") == "a.B-9_z")
        for id in ["has space", "a/b", String(repeating: "x", count: 129)] {
            let made = try apiary.curl("GET /v1/programs/x", "X-Request-Id: \(id)").answers(404)
            #expect(made.header("X-Request-Id") != id)
            #expect(made["/request_id"]?.string == made.header("X-Request-Id"))
        }
        let one = try apiary.curl("GET /v1/health").header("X-Request-Id")
        #expect(try apiary.curl("GET /v1/health").header("X-Request-Id") != one)
        try apiary.curl("PUT /v1/programs/x", "X-Request-Id: load-1", file: "undeclared.bpf.o")
            .answers(201)
        try apiary.curl("GET /v1/audit").answers(
            200, #"{"items":[{"request_id":"load-1","action":"put_program"}]}"#)
        #expect(apiary.log.contains("load-1"))
    }

    @Test func `uploads may be in gzip, and answers over 1 KiB too`() throws {
        let apiary = try TestDaemon()
        let object = Repository.object("counter.bpf.o")
        try Machine.run(
            "sh", "-c", "gzip -c '\(object)' > '\(apiary.directory)/object.gz'")
        try apiary.curl(
            "PUT /v1/programs/x", "Content-Encoding: gzip", file: apiary.directory + "/object.gz"
        ).answers(201)
        let bytes = try FileSystem.read(object)
        #expect(try apiary.curl("GET /v1/programs/x/object").body == bytes)
        let small = try apiary.curl("GET /v1/health", "Accept-Encoding: gzip").answers(200)
        #expect(small.header("Content-Encoding") == nil)
        let large = try apiary.curl("GET /problems", "Accept-Encoding: gzip").answers(200)
        #expect(large.header("Content-Encoding") == "gzip")
        #expect(large.body.starts(with: [0x1f, 0x8b]))
        try apiary.curl("PUT /v1/programs/y", "Content-Encoding: br", file: "counter.bpf.o")
            .answers(415, problem: .unsupportedMediaType)
    }

    @Test func `a body over the limit is refused with the limit`() throws {
        let apiary = try TestDaemon()
        let large = apiary.directory + "/large"
        try Machine.run("truncate", "-s", "33M", large)
        let refused = try apiary.curl("PUT /v1/programs/x", file: large)
            .answers(413, problem: .bodyTooLarge)
        #expect(refused["/detail"]?.string?.contains("33554432") == true)
        // A small upload that grows.
        try Machine.run("sh", "-c", "gzip -1 -c '\(large)' > '\(large).gz'")
        try apiary.curl("PUT /v1/programs/x", "Content-Encoding: gzip", file: large + ".gz")
            .answers(413, problem: .bodyTooLarge)
        try apiary.curl("GET /v1/health").answers(200)
    }

    @Test func `what is nowhere is 404`() throws {
        let apiary = try TestDaemon()
        for path in ["/", "/v2", "/v1/program", "/v1//programs", "/v1/programs/x/y"] {
            try apiary.curl("GET \(path)").answers(404, problem: .notFound)
        }
        try apiary.curl("GET /v1/programs/%zz").answers(400, problem: .malformedRequest)
        try apiary.curl("GET /v1/programs/a%00b").answers(400, problem: .malformedRequest)
        try apiary.curl("GET /v1/health?x=1").answers(400, problem: .unknownParameter)
    }

    @Test func `curl -d needs no Content-Type on the socket`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
        try apiary.curl(
            "POST /v1/probes", "Content-Type: application/x-www-form-urlencoded",
            json: #"{"program":"x","function":"count"}"#
        ).answers(201, #"{"id":"x.count","state":"attached"}"#)
    }
}
