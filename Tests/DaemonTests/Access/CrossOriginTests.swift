import JSON
import TestSupport
import Testing

/// What a browser sends when somebody else's page makes it ask.
@Suite(.requiresRoot) struct CrossOriginTests {
    private let port: Int
    private let apiary: TestDaemon

    init() throws {
        port = try TestDaemon.freePort()
        apiary = try TestDaemon(arguments: [
            "--listen", "127.0.0.1:\(port)", "--unprotected",
            "--set", "cors_origins=https://dash.example", "--set", "hosts=apiary.example:8443",
        ])
    }

    private func ask(_ request: String, _ headers: String...) throws -> Answer {
        var all = headers
        while all.count < 3 { all.append("Accept: */*") }
        return try apiary.curl(request, all[0], all[1], all[2], by: .tcp(port))
    }

    @Test func `only listed hosts are answered for`() throws {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "apiary.example:8443"] {
            try ask("GET /v1/health", "Host: \(host)").answers(200)
        }
        for host in [
            "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1]evil",
            "localhost:x", "localhost:", "apiary.example", "apiary.example:443", "10.0.0.1",
            "127.1",
        ] {
            try ask("GET /v1/health", "Host: \(host)").answers(421, problem: .wrongHost)
        }
    }

    @Test func `other sites' pages are refused on every method, streams too`() throws {
        for request in [
            "GET /v1/programs", "GET /v1/events?follow=false", "HEAD /v1/programs",
            "DELETE /v1/programs/x", "POST /v1/probes", "PUT /v1/programs/x",
            "OPTIONS /v1/programs",
        ] {
            for header in [
                "Origin: https://evil.example", "Origin: null", "Origin: http://localhost:1",
                "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
                "Origin: https://dash.example.evil",
            ] {
                let answer = try ask(request, header)
                #expect(answer.status == 403, "\(header): \(answer)")
                #expect(answer.header("Access-Control-Allow-Origin") == nil)
            }
        }
        try ask(
            "GET /v1/programs", "Origin: http://127.0.0.1:\(port)", "Sec-Fetch-Site: same-origin"
        )
        .answers(200)
        try ask("GET /v1/programs", "Sec-Fetch-Site: none").answers(200)
        // Neither hides a second one behind a first one that is fine.
        for header in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
            try ask(
                "GET /v1/programs", "Origin: http://127.0.0.1:\(port)", "Sec-Fetch-Site: none",
                header
            ).answers(403, problem: .crossOrigin)
        }
    }

    @Test func `a configured site gets CORS, with its preflight`() throws {
        let origin = "Origin: https://dash.example"
        let got = try ask("GET /v1/programs", origin, "Sec-Fetch-Site: cross-site").answers(200)
        #expect(got.header("Access-Control-Allow-Origin") == "https://dash.example")
        #expect(got.headers.contains { $0.name.lowercased() == "vary" && $0.value == "Origin" })
        let missing = try ask("GET /v1/programs/x", origin).answers(404)
        #expect(missing.header("Access-Control-Allow-Origin") == "https://dash.example")
        let preflight = try ask(
            "OPTIONS /v1/programs/x", origin, "Access-Control-Request-Method: PUT",
            "Access-Control-Request-Headers: authorization"
        )
        #expect(preflight.status == 204)
        #expect(preflight.header("Access-Control-Allow-Methods")?.contains("PUT") == true)
        #expect(preflight.header("Access-Control-Allow-Headers")?.contains("Authorization") == true)
        #expect(preflight.header("Access-Control-Allow-Credentials") == nil)
    }

    @Test func `a form's content types are not taken for JSON on TCP`() throws {
        for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            try apiary.curl(
                "POST /v1/probes", "Content-Type: \(type)", json: "{}", by: .tcp(port)
            ).answers(415, problem: .unsupportedMediaType)
        }
    }
}
