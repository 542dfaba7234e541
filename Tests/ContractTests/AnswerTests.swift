import JSON
import TestSupport
import Testing

/// Answers as a daemon could give them, held against the contract.
struct AnswerTests {
    private let contract = OpenAPIDocument.contract
    private let headers = [
        (name: "content-type", value: "application/json"),
        (name: "x-request-id", value: "r1"), (name: "cache-control", value: "no-store"),
    ]

    private func violations(
        _ id: String, _ status: Int, _ body: String, type: String = "application/json",
        without: String = "", and more: (name: String, value: String)? = nil
    ) throws -> [String] {
        let operation = try #require(contract.operation(id: id))
        var headers = headers.filter { $0.name != without }
        headers[0].value = type
        if let more { headers.append(more) }
        let answer = Answer(
            status: status, headers: headers, body: Array(body.utf8), curlLine: "curl")
        return contract.violations(of: answer, to: operation).map(\.description)
    }

    private func problem(_ code: String, _ status: Int) -> String {
        #"{"type":"/problems/\#(code)","title":"t","status":\#(status),"detail":"d","#
            + #""code":"\#(code)","request_id":"r1"}"#
    }

    @Test func `a good answer has no violations`() throws {
        #expect(try violations("get_health", 200, #"{"status":"ok"}"#) == [])
        let type = "application/problem+json"
        let missing = problem("not_found", 404)
        #expect(try violations("get_program", 404, missing, type: type) == [])
    }

    @Test func `wrong members, statuses, types and headers are found`() throws {
        #expect(try violations("get_health", 200, #"{"status":"well"}"#).count == 1)
        #expect(try violations("get_health", 201, #"{"status":"ok"}"#).count == 1)
        let good = #"{"status":"ok"}"#
        #expect(try violations("get_health", 200, good, type: "text/html").count == 1)
        for header in ["x-request-id", "cache-control"] {
            let found = try violations("get_health", 200, good, without: header)
            #expect(found.count == 1, "\(header)")
        }
        #expect(try violations("delete_program", 204, "x").count == 1)
    }

    @Test func `a problem must be one that the operation lists, with its own status`() throws {
        let type = "application/problem+json"
        func codes(_ id: String, _ status: Int, _ code: String, said: Int) throws -> [String] {
            try violations(id, status, problem(code, said), type: type)
        }
        #expect(try codes("get_program", 404, "not_found", said: 404) == [])
        #expect(try codes("get_health", 404, "not_found", said: 404).count == 1)
        #expect(try codes("get_program", 409, "not_found", said: 409).count == 1)
        #expect(try codes("get_program", 404, "no_such_code", said: 404).count >= 1)
        let busy = problem("too_many_requests", 429)
        #expect(try violations("get_program", 429, busy, type: type).count == 1)
        let retry = (name: "retry-after", value: "1")
        #expect(try violations("get_program", 429, busy, type: type, and: retry) == [])
    }

    @Test func `each line of a stream is validated`() throws {
        let hello = #"{"kind":"hello","cursor":"a","oldest":"a","heartbeat_s":15}"#
        let type = "application/x-ndjson"
        #expect(try violations("get_events", 200, hello + "\n", type: type) == [])
        let bad = hello + "\n" + #"{"kind":"gap","cursor":"b","lost":1,"where":"moon"}"# + "\n"
        #expect(try !violations("get_events", 200, bad, type: type).isEmpty)
        #expect(try !violations("get_events", 200, hello + "\n{\"kind\":", type: type).isEmpty)
    }

    @Test(arguments: [
        ("GET", "/v1/programs", "list_programs"),
        ("HEAD", "/v1/programs/x", "get_program"),
        ("GET", "/v1/programs/object", "get_program"),
        ("GET", "/v1/programs/x/object", "get_program_object"),
        ("GET", "/v1/events/ledger", "get_ledger"),
        ("PUT", "/v1/maps/p/m/entries/%7B%22a%2Fb%22:1%7D", "put_entry"),
        ("DELETE", "/v1/probes", "delete_probes"),
    ])
    func `a request finds its operation`(method: String, path: String, id: String) {
        #expect(contract.operation(method, path)?.id == id)
    }

    @Test(arguments: [("POST", "/v1/programs"), ("GET", "/v1/"), ("GET", "/v1/nothing")])
    func `a request that is not in the contract finds none`(method: String, path: String) {
        #expect(contract.operation(method, path) == nil)
    }
}
