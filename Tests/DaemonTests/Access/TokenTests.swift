import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct TokenTests {
    private func make(_ apiary: TestDaemon, _ json: String) throws -> String {
        let answer = try apiary.curl("POST /v1/tokens", json: json).answers(201)
        return "Authorization: Bearer \(answer["/token"]?.string ?? "")"
    }

    @Test func `a token is shown once, listed without its text, and kept as a digest`() throws {
        let apiary = try TestDaemon()
        let made = try apiary.curl(
            "POST /v1/tokens", json: #"{"name":"ci","role":"operate","expires_in_s":3600}"#
        ).answers(201, #"{"name":"ci","role":"operate","programs":null,"changed":true}"#)
        #expect(made.header("Location") == "/v1/tokens/ci")
        let text = try #require(made["/token"]?.string)
        #expect(text.hasPrefix("apy_") && text.count == 47)
        try apiary.curl("POST /v1/tokens", json: #"{"name":"ci","role":"read"}"#)
            .answers(409, problem: .alreadyExists)
        let bearer = "Authorization: Bearer \(text)"
        try apiary.curl("GET /v1/programs", bearer).answers(200)
        let listed = try apiary.curl("GET /v1/tokens").answers(200)
        #expect(listed["/items/0/last_used_at"]?.string != nil)
        #expect(!listed.text.contains(text))
        try apiary.curl("GET /v1/tokens/ci").answers(200, #"{"name":"ci","expired":false}"#)
        try apiary.restart()
        try apiary.curl("GET /v1/programs", bearer).answers(200)
        let used = try apiary.curl("GET /v1/tokens/ci").answers(200)
        #expect(used["/last_used_at"]?.string != nil)
        apiary.stop()
        for name in ["registry.sqlite", "registry.sqlite-wal"] {
            let path = apiary.stateDirectory + "/" + name
            guard FileSystem.exists(path) else { continue }
            let bytes = String(decoding: try FileSystem.read(path), as: UTF8.self)
            #expect(!bytes.contains(text))
        }
        #expect(!apiary.log.contains(text))
    }

    @Test func `what is wrong with a request for a token is said`() throws {
        let apiary = try TestDaemon()
        for (json, status, code) in [
            (#"{"name":"a"}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"none"}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"chief"}"#, 400, "invalid_member"),
            (#"{"name":"a/b","role":"read"}"#, 400, "invalid_name"),
            (#"{"name":"a","role":"read","programs":[]}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"read","programs":["a b"]}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"read","expires_in_s":0}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"read","expires_in_s":"1h"}"#, 400, "invalid_member"),
            (#"{"name":"a","role":"read","token":"apy_mine"}"#, 400, "unknown_member"),
        ] {
            try apiary.curl("POST /v1/tokens", json: json).answers(status, problem: code)
        }
        let rehearsal = try apiary.curl(
            "POST /v1/tokens?dry_run=true", json: #"{"name":"a","role":"read"}"#
        ).answers(200, #"{"dry_run":true}"#)
        #expect(rehearsal["/token"] == nil)
        try apiary.curl("GET /v1/tokens/a").answers(404)
    }

    @Test func `only Bearer in the header opens anything`() throws {
        let port = try TestDaemon.freePort()
        let apiary = try TestDaemon(arguments: ["--listen", "127.0.0.1:\(port)"])
        let bearer = try make(apiary, #"{"name":"t","role":"admin"}"#)
        let text = String(bearer.dropFirst("Authorization: Bearer ".count))
        func get(_ path: String, _ header: String) throws -> Answer {
            try apiary.curl("GET \(path)", header, by: .tcp(port))
        }
        try get("/v1/programs", bearer).answers(200)
        try get("/v1/programs", "authorization: bearer \(text)").answers(200)
        for header in [
            "Authorization: Basic \(text)", "Authorization: \(text)", "Authorization: Bearer",
            "Authorization: Bearer \(text)x", "Authorization: Bearer \(text.dropLast())",
            "Authorization: Bearer apy_", "X-Token: \(text)", "Cookie: token=\(text)",
        ] {
            let answer = try get("/v1/programs", header).answers(401, problem: "unauthenticated")
            #expect(answer.header("WWW-Authenticate")?.hasPrefix("Bearer") == true)
        }
        for name in ["token", "access_token", "ticket"] {
            let answer = try apiary.curl("GET /v1/programs?\(name)=\(text)", by: .tcp(port))
            #expect([400, 401].contains(answer.status), "\(answer)")
        }
        let twice = try apiary.curl("GET /v1/programs", bearer, bearer, by: .tcp(port))
        twice.answers(400, problem: .malformedRequest)
    }

    @Test func `an expired token opens nothing, and says so`() throws {
        let apiary = try TestDaemon()
        let bearer = try make(apiary, #"{"name":"brief","role":"read","expires_in_s":1}"#)
        #expect(try Machine.waits { try apiary.curl("GET /v1/programs", bearer).status == 401 })
        let answer = try apiary.curl("GET /v1/programs", bearer).answers(401)
        #expect(answer["/detail"]?.string == "The token brief has expired.")
        try apiary.curl("GET /v1/tokens/brief").answers(200, #"{"expired":true}"#)
    }

    @Test func `revoking a token ends its streams, and nobody else's`() throws {
        let apiary = try TestDaemon()
        let bearer = try make(apiary, #"{"name":"viewer","role":"read"}"#)
        let mine = try apiary.stream("GET /v1/events", bearer)
        let other = try apiary.stream("GET /v1/events")
        _ = try mine.next(kind: "hello")
        _ = try other.next(kind: "hello")
        try apiary.curl("DELETE /v1/tokens/viewer").answers(204)
        let (lines, status) = try mine.rest()
        #expect(lines.last?["kind"] == "end")
        #expect(lines.last?["reason"] == "token_revoked")
        #expect(status == 0)
        #expect(other.isRunning)
        try apiary.curl("GET /v1/programs", bearer).answers(401, problem: "unauthenticated")
        try apiary.curl("DELETE /v1/tokens/viewer").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/tokens/viewer?missing_ok=true").answers(204)
    }

    @Test func `streams of one credential are bounded; a local admin's are not`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "streams_per_credential=2"])
        let bearer = try make(apiary, #"{"name":"viewer","role":"read"}"#)
        let streams = try (0..<2).map { _ in try apiary.stream("GET /v1/events", bearer) }
        for stream in streams { _ = try stream.next(kind: "hello") }
        let refused = try apiary.curl("GET /v1/events", bearer)
            .answers(429, problem: .tooManyRequests)
        #expect(refused["/detail"]?.string?.contains("2 open streams") == true)
        let local = try (0..<3).map { _ in try apiary.stream("GET /v1/events") }
        for stream in local { _ = try stream.next(kind: "hello") }
        streams[0].stop()
        #expect(
            try Machine.waits {
                try apiary.curl("GET /v1/events?follow=false", bearer).status == 200
            })
    }

    @Test func `a token whose revocation the disk refuses opens nothing, and can be asked again`()
        throws
    {
        let apiary = try TestDaemon()
        let bearer = try make(apiary, #"{"name":"viewer","role":"read"}"#)
        let stream = try apiary.stream("GET /v1/events", bearer)
        _ = try stream.next(kind: "hello")
        let database = apiary.stateDirectory + "/registry.sqlite"
        func refuse(_ statement: String) throws {
            try Machine.run("sqlite3", "-cmd", ".timeout 5000", database, statement)
        }
        try refuse(
            "CREATE TRIGGER full BEFORE DELETE ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END")
        let failed = try apiary.curl("DELETE /v1/tokens/viewer")
        #expect(failed.status >= 500, "\(failed)")
        #expect(try stream.rest().lines.last?["reason"] == "token_revoked")
        try apiary.curl("GET /v1/programs", bearer).answers(401, problem: .unauthenticated)
        try refuse("DROP TRIGGER full")
        try apiary.curl("DELETE /v1/tokens/viewer").answers(204)
        try apiary.curl("GET /v1/tokens/viewer").answers(404)
        try apiary.restart()
        try apiary.curl("GET /v1/programs", bearer).answers(401, problem: .unauthenticated)
    }

    @Test func `one credential cannot take all tickets`() throws {
        let apiary = try TestDaemon()
        let bearer = try make(apiary, #"{"name":"greedy","role":"read"}"#)
        let other = try make(apiary, #"{"name":"modest","role":"read"}"#)
        let body = #"{"path":"/v1/events"}"#
        try Machine.run(
            "sh", "-c",
            "curl -sf -o /dev/null --unix-socket \(apiary.socket) -H '\(bearer)' --json '\(body)' "
                + "$(for i in $(seq 1000); do echo http://localhost/v1/stream_tickets; done)")
        let refused = try apiary.curl("POST /v1/stream_tickets", bearer, json: body)
            .answers(429, problem: .tooManyRequests)
        #expect(refused["/detail"]?.string?.contains("1000 tickets") == true)
        try apiary.curl("POST /v1/stream_tickets", other, json: body).answers(201)
    }

    @Test func `a ticket opens one stream on its path, once`() throws {
        let port = try TestDaemon.freePort()
        let apiary = try TestDaemon(arguments: ["--listen", "127.0.0.1:\(port)"])
        let bearer = try make(apiary, #"{"name":"page","role":"read"}"#)
        func ticket() throws -> String {
            let answer = try apiary.curl(
                "POST /v1/stream_tickets", bearer, json: #"{"path":"/v1/events"}"#, by: .tcp(port)
            ).answers(201)
            return answer["/ticket"]?.string ?? ""
        }
        let one = try ticket()
        let stream = try apiary.stream("GET /v1/events?ticket=\(one)", by: .tcp(port))
        _ = try stream.next(kind: "hello")
        try apiary.curl("GET /v1/events?ticket=\(one)", by: .tcp(port)).answers(401)
        let other = try ticket()
        try apiary.curl("GET /v1/maps/p/m/entries?ticket=\(other)", by: .tcp(port)).answers(401)
        try apiary.curl("GET /v1/programs?ticket=\(try ticket())", by: .tcp(port)).answers(401)
        for path in ["/v1/tokens", "/v1/events/ledger", "/v1/eventsx", "/v1/maps/p", "/v1/maps/"] {
            try apiary.curl(
                "POST /v1/stream_tickets", bearer, json: #"{"path":"\#(path)"}"#, by: .tcp(port)
            ).answers(400, problem: .invalidMember)
        }
        let unused = try ticket()
        try apiary.curl("DELETE /v1/tokens/page").answers(204)
        #expect(try stream.rest().lines.last?["reason"] == "token_revoked")
        try apiary.curl("GET /v1/events?ticket=\(unused)", by: .tcp(port)).answers(401)
    }

    @Test func `a ticket that is not used within 30 s opens nothing`() throws {
        let port = try TestDaemon.freePort()
        let apiary = try TestDaemon(arguments: ["--listen", "127.0.0.1:\(port)"])
        let bearer = try make(apiary, #"{"name":"page","role":"read"}"#)
        let tickets = try (0..<2).map { _ in
            let answer = try apiary.curl(
                "POST /v1/stream_tickets", bearer, json: #"{"path":"/v1/events"}"#, by: .tcp(port)
            ).answers(201)
            return answer["/ticket"]?.string ?? ""
        }
        let late = Clock.monotonicNanoseconds() + 30_000_000_000
        try apiary.curl("GET /v1/events?follow=false&ticket=\(tickets[0])", by: .tcp(port))
            .answers(200)
        while Clock.monotonicNanoseconds() <= late { Clock.sleep(nanoseconds: 200_000_000) }
        try apiary.curl("GET /v1/events?follow=false&ticket=\(tickets[1])", by: .tcp(port))
            .answers(401, problem: .unauthenticated)
    }

    @Test func `tokens of a file are let in, and a file that others may read is not taken`() throws
    {
        let apiary = try TestDaemon(isStarted: false)
        let text = "apy_" + String(repeating: "k", count: 43)
        let path = apiary.directory + "/tokens"
        apiary.arguments = ["--set", "token_file=\(path)"]
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let lines = "# for provisioning\nroot-ci admin \(text)\nother read \(digest)\n"
        try FileSystem.replace(path, with: Array(lines.utf8).span, mode: 0o644)
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains("can be read by others"))
        try FileSystem.changeMode(path, 0o600)
        try apiary.start()
        try apiary.curl("GET /v1/tokens", "Authorization: Bearer \(text)").answers(200)
        // Two of a name would be one in the audit log.
        try apiary.curl("POST /v1/tokens", json: #"{"name":"other","role":"read"}"#)
            .answers(409, problem: .alreadyExists)
        apiary.stop()
        try FileSystem.replace(path, with: Array("root-ci admin apy_short\n".utf8).span)
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains("line 1: not NAME ROLE TOKEN"))
        #expect(!apiary.log.contains("apy_short"))
    }
}
