import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapChangeTests {
    @Test func `a batch answers for each operation and goes on behind what fails`() throws {
        let apiary = try mapsDaemon()
        let body = """
            {"update":[{"key":1,"value":{"packets":1}},{"key":2,"value":{"packets":"x"}},
            {"key":3,"value":{}}],"lookup":[1,9],"delete":[3,4]}
            """
        let answer = try apiary.curl("POST /v1/maps/m/hash/batch", json: body).answers(
            200,
            """
            {"counts":{"update":{"done":2,"failed":1},"lookup":{"done":1,"failed":1},
            "delete":{"done":1,"failed":1}},"atomic":false}
            """)
        #expect(answer["/update/1/pointer"]?.string == "/update/1/value/packets")
        #expect(answer["/update/0/status"]?.int == 201)
        #expect(answer["/lookup/0/value/packets"]?.int == 1)
        #expect(answer["/delete/1/status"]?.int == 404)
        try apiary.curl("POST /v1/maps/m/hash/batch?dry_run=true", json: #"{"delete":[1]}"#)
            .answers(200, #"{"counts":{"delete":{"done":1}},"dry_run":true}"#)
        try apiary.curl("GET /v1/maps/m/hash/entries/1").answers(200)
    }

    @Test func `the kernel's batches and single calls come to the same`() throws {
        let apiary = try mapsDaemon()
        let updates = (0..<1500).map { #"{"key":\#($0),"value":{}}"# }.joined(separator: ",")
        for mode in ["results=failed", "results=all"] {
            let answer = try apiary.curl(
                "POST /v1/maps/m/hash/batch?\(mode)", json: #"{"update":[\#(updates)]}"#
            ).answers(200, #"{"counts":{"update":{"done":1000,"failed":500}}}"#)
            let failed = answer["/update"]?.array?.filter { $0["code"]?.string == "map_full" }
            #expect(failed?.count == 500)
            try apiary.curl(
                "POST /v1/maps/m/hash/batch?\(mode)",
                json: #"{"delete":[\#((0..<1500).map(String.init).joined(separator: ","))]}"#
            ).answers(200, #"{"counts":{"delete":{"done":1000,"failed":500}}}"#)
        }
    }

    @Test func `a batch that is no JSON, or too much, does nothing`() throws {
        let apiary = try mapsDaemon()
        let good = #"{"key":1,"value":{}}"#
        let many = (0...100_000).map(String.init).joined(separator: ",")
        for body in [
            "", "[]", "{", #"{"updat":[]}"#, #"{"update":[\#(good)]"#, #"{"update":[\#(good),]}"#,
            #"{"update":[\#(good)],"update":[]}"#, #"{"update":[\#(good)]} x"#, #"{"update":7}"#,
            #"{"update":[\#(good)],"delete":[\#(many)]}"#,
        ] {
            try apiary.curl("POST /v1/maps/m/hash/batch", json: try apiary.body(body))
                .answers(400, problem: .malformedJSON)
        }
        for lines in ["{}", #"{"update":\#(good),"delete":1}"#, good] {
            try apiary.curl(
                "POST /v1/maps/m/hash/batch", "Content-Type: application/x-ndjson",
                json: #"{"update":\#(good)}"# + "\n" + lines
            ).answers(400, problem: .malformedJSON)
        }
        try apiary.curl("GET /v1/maps/m/hash/entries?count=true").answers(200, #"{"count":0}"#)
    }

    @Test func `lines are read by pieces, wherever one ends`() throws {
        let apiary = try mapsDaemon()
        // More than two pieces, of lines of different lengths, with blank ones, without a last
        // newline.
        let lines = (0..<4000).map { number in
            let line = #"{"update":{"key":\#(number % 1000),"value":{"packets":\#(number)}}}"#
            return line + String(repeating: " ", count: number % 89)
                + (number % 7 == 0 ? "\r\n" : "")
        }.joined(separator: "\n")
        #expect(lines.utf8.count > 300_000)
        let path = "POST /v1/maps/m/hash/batch"
        let type = "Content-Type: application/x-ndjson"
        for (results, accept) in [
            ("failed", "*/*"), ("all", "*/*"), ("all", "application/x-ndjson"),
        ] {
            let answer = try apiary.curl(
                "\(path)?results=\(results)", type, "Accept: \(accept)",
                json: try apiary.body(lines)
            ).answers(200)
            #expect(answer.text.contains(#""update":{"done":4000,"failed":0}"#))
            try apiary.curl("GET /v1/maps/m/hash/entries/999")
                .answers(200, #"{"value":{"packets":3999}}"#)
            try apiary.curl("DELETE /v1/maps/m/hash/entries").answers(200, #"{"cleared":1000}"#)
        }
        // What is wrong in the last line is found before the first is done.
        let wrong = try apiary.curl(path, type, json: try apiary.body(lines + "\n{}"))
            .answers(400, problem: .malformedJSON)
        #expect(wrong["/detail"]?.string?.contains("line 4001") == true)
        try apiary.curl("GET /v1/maps/m/hash/entries?count=true").answers(200, #"{"count":0}"#)
        // One line that is longer than a piece.
        let long =
            #"{"delete":"# + String(repeating: " ", count: 400_000) + "1}\n" + #"{"lookup":2}"#
        try apiary.curl(path, type, json: try apiary.body(long)).answers(
            200, #"{"counts":{"delete":{"failed":1},"lookup":{"failed":1}}}"#)
    }

    @Test func `an entry is changed only with the tag that it has`() throws {
        let apiary = try mapsDaemon()
        let path = "/v1/maps/m/array/entries/1"
        let tag = try #require(try apiary.curl("GET \(path)").answers(200).etag)
        try apiary.curl("GET \(path)", "If-None-Match: \(tag)").answers(304)
        let next = try apiary.curl("PUT \(path)", "If-Match: \(tag)", json: #"{"value":1}"#)
            .answers(200, #"{"changed":true}"#)
        try apiary.curl("PUT \(path)", "If-Match: \(tag)", json: #"{"value":2}"#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl("PUT \(path)", "If-Match: \(next.etag ?? "")", json: #"{"value":2}"#)
            .answers(200)
        try apiary.curl("DELETE /v1/maps/m/hash/entries/1", "If-Match: *")
            .answers(412, problem: .preconditionFailed)
    }

    @Test func `bad values have the place, the type and the range`() throws {
        let apiary = try mapsDaemon()
        let path = "PUT /v1/maps/m/hash/entries/1"
        for (value, status, problem) in [
            (#"{"value":{"packets":18446744073709551616}}"#, 422, "invalid_value"),
            (#"{"value":{"packets":1.5}}"#, 422, "invalid_value"),
            (#"{"value":{"packets":-1}}"#, 422, "invalid_value"),
            (#"{"value":"hex:00"}"#, 422, "size_mismatch"),
            (#"{"value":{"packets":1,"packets":2}}"#, 400, "malformed_json"),
            (#"{"value":NaN}"#, 400, "malformed_json"),
            (#"{"value":{},"extra":1}"#, 400, "unknown_member"), ("{}", 400, "invalid_member"),
        ] {
            try apiary.curl(path, json: value).answers(status, problem: problem)
        }
        try apiary.curl("PUT /v1/maps/m/array/entries/10", json: #"{"value":1}"#)
            .answers(422, problem: .invalidValue)
        try apiary.curl("GET /v1/maps/m/hash/entries?count=true").answers(200, #"{"count":0}"#)
    }

    @Test func `variables are read and written while the program is loaded`() throws {
        let apiary = try mapsDaemon()
        let path = "/v1/programs/m/globals"
        try apiary.curl("PATCH \(path)/port", json: #"{"value":99}"#)
            .answers(200, #"{"value":99,"changed":true}"#)
        try apiary.curl("PATCH \(path)/port", json: #"{"value":99}"#)
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("PATCH \(path)?dry_run=true", json: #"{"port":1}"#)
            .answers(200, #"{"changed":true,"dry_run":true}"#)
        try apiary.curl("PATCH \(path)", json: #"{"total":18446744073709551615,"port":70000}"#)
            .answers(200, #"{"changed":true}"#)
        try apiary.curl("GET \(path)/total").answers(200, #"{"value":18446744073709551615}"#)
        try apiary.curl("PATCH \(path)", json: #"{"port":1,"total":-1}"#)
            .answers(422, problem: .invalidValue)
        try apiary.curl("GET \(path)/port").answers(200, #"{"value":70000}"#)
        try apiary.curl("PATCH \(path)/limit", json: #"{"value":1}"#)
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("GET \(path)/nothing").answers(404, problem: .notFound)
    }

    @Test func `a map of the kernel's is read by its id`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("PUT /v1/maps/m/hash/entries/1", json: #"{"value":{"packets":4}}"#)
            .answers(201)
        let id = try apiary.curl("GET /v1/maps/m/hash")["/kernel_id"]?.int ?? 0
        try apiary.curl("GET /v1/kernel/maps/\(id)/entries")
            .answers(200, #"{"items":[{"key":1,"value":{"packets":4,"bytes":0}}]}"#)
        try apiary.curl("GET /v1/kernel/maps/4294967295/entries").answers(404, problem: .notFound)

        let tag =
            try apiary.curl("GET /v1/kernel/maps/\(id)/entries/1")
            .answers(200, #"{"key":1,"value":{"packets":4,"bytes":0}}"#).header("etag") ?? ""
        try apiary.curl("GET /v1/kernel/maps/\(id)/entries/1", "If-None-Match: \(tag)")
            .answers(304)
        try apiary.curl("GET /v1/kernel/maps/\(id)/entries/hex:01000000?encoding=hex")
            .answers(200, #"{"key":"hex:01000000"}"#)
        try apiary.curl("GET /v1/kernel/maps/\(id)/entries/2").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/kernel/maps/\(id)/entries/hex:01")
            .answers(422, problem: .sizeMismatch)
        try apiary.curl("GET /v1/kernel/maps/4294967295/entries/1").answers(404, problem: .notFound)
        // To read only.
        try apiary.curl("PUT /v1/kernel/maps/\(id)/entries/1", json: #"{"value":{}}"#)
            .answers(405, problem: .methodNotAllowed)
    }

    @Test func `a frozen map is changed by nobody, and stays readable`() throws {
        let apiary = try mapsDaemon()
        try apiary.curl("PUT /v1/maps/m/hash/entries/1", json: #"{"value":{}}"#).answers(201)
        try apiary.curl("POST /v1/maps/m/hash/freeze?dry_run=true")
            .answers(200, #"{"frozen":false,"changed":true,"dry_run":true}"#)
        // It takes no body, or one that says nothing.
        try apiary.curl("POST /v1/maps/m/hash/freeze?dry_run=true", json: "{}").answers(200)
        try apiary.curl("POST /v1/maps/m/hash/freeze", json: #"{"dry_run":true}"#)
            .answers(400, problem: .unknownMember)
        try apiary.curl("POST /v1/maps/m/hash/freeze", json: "[]")
            .answers(400, problem: .malformedJSON)
        try apiary.curl("POST /v1/maps/m/hash/freeze").answers(
            200, #"{"frozen":true,"changed":true,"operations":["read","iterate"]}"#)
        try apiary.curl("POST /v1/maps/m/hash/freeze")
            .answers(200, #"{"frozen":true,"changed":false}"#)
        let answer = try apiary.curl("PUT /v1/maps/m/hash/entries/1", json: #"{"value":{}}"#)
            .answers(422, problem: .unsupportedMapOperation)
        #expect(answer["/detail"]?.string?.contains("frozen") == true)
        try apiary.curl("DELETE /v1/maps/m/hash/entries/1")
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("GET /v1/maps/m/hash/entries/1").answers(200)
        try apiary.curl("GET /v1/maps/m/.rodata").answers(200, #"{"frozen":true}"#)
    }

    @Test func `a batch answers as lines, in the order of its operations`() throws {
        let apiary = try mapsDaemon()
        let operations = [
            #"{"update":{"key":1,"value":{"packets":1}}}"#, #"{"lookup":1}"#,
            #"{"update":{"key":1,"value":{"packets":-1}}}"#, #"{"delete":1}"#, #"{"delete":1}"#,
        ]
        let lines = try apiary.curl(
            "POST /v1/maps/m/hash/batch", "Content-Type: application/x-ndjson",
            "Accept: application/x-ndjson",
            json: try apiary.body(operations.joined(separator: "\n"))
        ).answers(200).lines
        #expect(
            lines.dropLast().compactMap { $0["op"]?.string }
                == ["update", "lookup", "update", "delete", "delete"])
        try #require(lines.compactMap { $0["status"]?.int } == [201, 200, 422, 204, 404])
        #expect(lines[1]["value"]?["packets"]?.int == 1)
        #expect(lines[2]["pointer"]?.string == "/2/update/value/packets")
        #expect(lines.last?["counts"]?["update"] == ["done": 1, "failed": 1])
        let many = (0..<3000).map { #"{"update":{"key":\#($0),"value":1}}"# }
        let all = try apiary.curl(
            "POST /v1/maps/m/big/batch?format=ndjson", "Content-Type: application/x-ndjson",
            json: try apiary.body(many.joined(separator: "\n"))
        ).answers(200).lines
        #expect(all.count == 3001)
        try apiary.curl("GET /v1/maps/m/big/entries?count=true").answers(200, #"{"count":3000}"#)
        try apiary.curl("POST /v1/maps/m/big/batch", "Accept: text/csv", json: #"{"lookup":[1]}"#)
            .answers(406, problem: .notAcceptable)
    }

    @Test func `a body that is too large is refused with the limit`() throws {
        let apiary = try mapsDaemon()
        let spaces = String(repeating: " ", count: 33 << 20)
        try apiary.curl("POST /v1/maps/m/hash/batch", json: try apiary.body("{\(spaces)}"))
            .answers(413)
        let large = String(repeating: " ", count: 2 << 20)
        try apiary.curl(
            "PUT /v1/maps/m/hash/entries/1", json: try apiary.body(#"{"value":{\#(large)}}"#)
        ).answers(413)
    }
}
