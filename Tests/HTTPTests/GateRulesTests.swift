import Testing

@testable import HTTP

/// The gate alone, without a connection.
@Suite struct GateRulesTests {
    private func gate(_ headers: (String, String)...) -> Gate {
        var gate = Gate()
        for (name, value) in headers {
            gate.take(name: [UInt8](name.utf8).span, value: [UInt8](value.utf8).span)
        }
        return gate
    }

    @Test(arguments: [
        ("gzip", true), ("br, gzip", true), ("GZIP", true), ("gzip;q=0.1", true),
        ("gzip ; q=1", true), ("", false), ("br", false), ("gzip;q=0", false),
        ("gzip; q=0.000", false), ("xgzip", false), ("identity", false), ("*", false),
    ]) func `gzip is taken where the list says so`(_ list: String, _ accepted: Bool) {
        #expect(gate(("Accept-Encoding", list)).acceptsGzip == accepted)
    }

    @Test func `a body is framed by a length or by chunks`() {
        #expect(gate(("Content-Length", "0")).framing == .length(0))
        #expect(!gate(("Content-Length", "0")).hasBody)
        #expect(gate(("Content-Length", " 12 ")).framing == .length(12))
        #expect(gate(("Transfer-Encoding", "Chunked")).framing == .chunked)
        #expect(gate(("Expect", "100-Continue")).expectsContinue)
        for length in ["", "1 2", "0x1", "-1", "1e3", "1234567890123456789"] {
            #expect(gate(("Content-Length", length)).failure != nil, "\(length)")
        }
    }

    @Test func `HTTP 1.0 needs no host and has no chunks`() throws {
        try gate().check(version: .http10)
        try gate(("Host", "a")).check(version: .http11)
        #expect(throws: Refusal.self) { try gate().check(version: .http11) }
        #expect(throws: Refusal.self) {
            try gate(("Host", "a"), ("host", "a")).check(version: .http10)
        }
        #expect(throws: Refusal.self) {
            try gate(("Transfer-Encoding", "chunked")).check(version: .http10)
        }
    }

    @Test func `no bytes crash it, and no control byte comes through`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let name = randomBytes(&generator)
            let value = randomBytes(&generator)
            var gate = Gate()
            gate.take(name: name.span, value: value.span)
            for (name, value) in gate.headers {
                #expect(!name.isEmpty)
                #expect(!name.utf8.contains { $0 <= 0x20 || $0 >= 0x7f })
                #expect(!value.utf8.contains { ($0 < 0x20 && $0 != 9) || $0 == 0x7f })
            }
        }
    }

    private func randomBytes(_ generator: inout SystemRandomNumberGenerator) -> [UInt8] {
        let count = Int.random(in: 0..<12, using: &generator)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}
