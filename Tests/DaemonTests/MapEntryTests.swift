import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapEntryTests {
    private let apiary: TestDaemon

    init() throws {
        apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
    }

    /// What bpftool sees in a map, as its own JSON.
    private func dump(_ map: String) throws -> [JSONValue] {
        let id = try apiary.curl("GET /v1/maps/v/\(map)").answers(200)["/kernel_id"]?.int ?? 0
        return try Machine.bpftool("map", "dump", "id", "\(id)")?.array ?? []
    }

    private static let key = #"{"address":16909060,"port":443,"protocol":6,"pad":0}"#
    private static let value = """
        {"large":18446744073709551615,"negative":-9223372036854775808,"tiny":-128,"yes":true,
         "level":"LOUD","name":"eth0","mac":"0a1b2c3d4e5f","ports":[1,65535,3],"inner":7,
         "last":{"address":1,"port":2,"protocol":3,"pad":4}}
        """

    @Test func `a typed entry comes back as it was sent`() throws {
        let put = try apiary.curl(
            "PUT /v1/maps/v/flows/entries/\(Self.key)", json: #"{"value":\#(Self.value)}"#
        ).answers(201, #"{"key":\#(Self.key),"value":\#(Self.value),"changed":true}"#)
        #expect(put.header("Location")?.hasPrefix("/v1/maps/v/flows/entries/") == true)
        let got = try apiary.curl("GET /v1/maps/v/flows/entries/\(Self.key)").answers(200)
        #expect(got["/value"] == (try JSONValue.parse(Self.value)))
        #expect(got["/key"] == (try JSONValue.parse(Self.key)))
        try apiary.curl(
            "PUT /v1/maps/v/flows/entries/\(Self.key)", json: #"{"value":\#(Self.value)}"#
        ).answers(200, #"{"changed":false}"#)

        let seen = try dump("flows")
        #expect(seen.count == 1)
        let value = seen.first?["formatted"]?["value"]
        #expect(value?["large"] == (try JSONValue.parse("18446744073709551615")))
        #expect(value?["tiny"] == -128)
        #expect(value?.at("/ports/1") == 65535)
    }

    @Test func `members that are left out are zero`() throws {
        try apiary.curl(
            "PUT /v1/maps/v/flows/entries/{\"port\":80}", json: #"{"value":{"large":1}}"#
        ).answers(
            201,
            """
            {"key":{"address":0,"port":80},
             "value":{"large":1,"name":"","level":"QUIET","yes":false}}
            """
        )
        try apiary.curl("GET /v1/maps/v/flows/entries/{\"port\":80}").answers(200)
    }

    @Test func `integers beyond 2^53 are exact, and strings where that is asked for`() throws {
        let large: UInt64 = 18_446_744_073_709_551_615
        try apiary.curl("PUT /v1/maps/v/many/entries/1", json: #"{"value":\#(large)}"#)
            .answers(201, #"{"value":\#(large)}"#)
        try apiary.curl("GET /v1/maps/v/many/entries/1?int64=string")
            .answers(200, #"{"key":1,"value":"\#(large)"}"#)
        try apiary.curl("PUT /v1/maps/v/many/entries/2", json: #"{"value":"9007199254740993"}"#)
            .answers(201, #"{"value":9007199254740993}"#)
        try apiary.curl("GET /v1/maps/v/many/entries?int64=string").answers(200)
        try apiary.curl("PUT /v1/maps/v/many/entries/3", json: #"{"value":9007199254740991}"#)
            .answers(201)
        try apiary.curl("GET /v1/maps/v/many/entries/3?int64=string")
            .answers(200, #"{"value":9007199254740991}"#)
        for value in ["18446744073709551616", "-1", "1.5", "1e3", "true", "[]", "\"x\""] {
            try apiary.curl("PUT /v1/maps/v/many/entries/4", json: #"{"value":\#(value)}"#)
                .answers(422, #"{"code":"invalid_value","pointer":"/value"}"#)
        }
        try apiary.curl("GET /v1/maps/v/many/entries/4").answers(404, problem: .notFound)
    }

    @Test func `text keys are text`() throws {
        for name in ["eth0", "a b/c", "é"] {
            let key = name.utf8.map { byte in
                let digits = String(byte, radix: 16)
                return "%" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
            try apiary.curl("PUT /v1/maps/v/names/entries/\(key)", json: #"{"value":1}"#)
                .answers(201, #"{"key":"\#(name)"}"#)
            try apiary.curl("GET /v1/maps/v/names/entries/%22\(key)%22")
                .answers(200, #"{"key":"\#(name)","value":1}"#)
        }
        try apiary.curl(
            "PUT /v1/maps/v/names/entries/" + String(repeating: "x", count: 17),
            json: #"{"value":1}"#
        ).answers(422)
    }

    @Test func `hex and base64 show and take the bytes`() throws {
        try apiary.curl("PUT /v1/maps/v/many/entries/258", json: #"{"value":1}"#).answers(201)
        try apiary.curl("GET /v1/maps/v/many/entries/258?encoding=hex")
            .answers(200, #"{"key":"hex:02010000","value":"hex:0100000000000000"}"#)
        try apiary.curl("GET /v1/maps/v/many/entries/hex:02010000?encoding=base64")
            .answers(200, #"{"key":"base64:AgEAAA==","value":"base64:AQAAAAAAAAA="}"#)
        try apiary.curl("GET /v1/maps/v/many/entries/hex:02010000")
            .answers(200, #"{"key":258,"value":1}"#)
        try apiary.curl(
            "PUT /v1/maps/v/many/entries/hex:02010000", json: #"{"value":"hex:0200000000000000"}"#
        ).answers(200, #"{"key":258,"value":2,"changed":true}"#)
        try apiary.curl(
            "PUT /v1/maps/v/many/entries/258?encoding=hex",
            json: #"{"value":"0300000000000000"}"#
        ).answers(200, #"{"value":"hex:0300000000000000"}"#)
        try apiary.curl(
            "PUT /v1/maps/v/many/entries/base64:AgEAAA==?encoding=base64",
            json: #"{"value":"BAAAAAAAAAA="}"#
        ).answers(200)
        #expect(try apiary.value("v/many", 258) == 4)
        try apiary.curl("GET /v1/maps/v/many/entries?encoding=hex")
            .answers(200, #"{"items":[{"key":"hex:02010000"}]}"#)
        try apiary.curl("GET /v1/maps/v/many/entries/hex:zz").answers(422)
        try apiary.curl("GET /v1/maps/v/many/entries/1?encoding=octal")
            .answers(400, problem: .invalidParameter)
    }

    @Test func `without BTF small integers are numbers and the rest is hex`() throws {
        let value = "hex:000102030405060708090a0b"
        try apiary.curl("GET /v1/maps/v/bare").answers(
            200, #"{"key_type":null,"value_type":null,"value_size_bytes":12}"#)
        try apiary.curl("PUT /v1/maps/v/bare/entries/7", json: #"{"value":"\#(value)"}"#)
            .answers(201, #"{"value":"\#(value)"}"#)
        let got = try apiary.curl("GET /v1/maps/v/bare/entries/hex:07000000").answers(
            200, #"{"value":"\#(value)"}"#)
        #expect(got["/key"] == 7 || got["/key"] == "hex:07000000")
        let short = try apiary.curl(
            "PUT /v1/maps/v/bare/entries/8", json: #"{"value":"hex:0001"}"#
        ).answers(422, problem: .sizeMismatch)
        let detail = short["/detail"]?.string ?? ""
        #expect(detail.contains("2 bytes") && detail.contains("12"), "\(detail)")
        try apiary.curl("PUT /v1/maps/v/bare/entries/8", json: #"{"value":1}"#).answers(422)
    }

    @Test func `a wrong size is told with both sizes`() throws {
        for (path, json) in [
            ("many/entries/hex:0102", #"{"value":1}"#),
            ("many/entries/1", #"{"value":"hex:010203"}"#),
            ("row/entries/hex:010203040506", #"{"value":1}"#),
        ] {
            let answer = try apiary.curl("PUT /v1/maps/v/\(path)", json: json)
                .answers(422, problem: .sizeMismatch)
            let numbers = (answer["/detail"]?.string ?? "").split { !$0.isNumber }
            #expect(numbers.count >= 2, "\(answer)")
        }
        try apiary.curl("GET /v1/maps/v/many/entries/hex:0102").answers(422, problem: .sizeMismatch)
        try apiary.curl("DELETE /v1/maps/v/many/entries/hex:0102")
            .answers(422, problem: .sizeMismatch)
        try apiary.curl(
            "PUT /v1/maps/v/flows/entries/{\"port\":1}", json: #"{"value":{"mac":"0a0b"}}"#
        ).answers(422, #"{"pointer":"/value/mac"}"#)
        try apiary.curl(
            "PUT /v1/maps/v/flows/entries/{\"port\":1}", json: #"{"value":{"larg":1}}"#
        ).answers(422, #"{"pointer":"/value/larg"}"#)
        try apiary.curl(
            "PUT /v1/maps/v/flows/entries/{\"port\":65536}", json: #"{"value":{}}"#
        ).answers(422)
    }

    @Test func `modes create and update`() throws {
        let entry = "PUT /v1/maps/v/many/entries/5"
        try apiary.curl(entry + "?mode=update", json: #"{"value":1}"#)
            .answers(404, problem: .notFound)
        try apiary.curl(entry + "?mode=create", json: #"{"value":1}"#).answers(201)
        try apiary.curl(entry + "?mode=create", json: #"{"value":2}"#)
            .answers(409, problem: .alreadyExists)
        try apiary.curl(entry + "?mode=update", json: #"{"value":3}"#)
            .answers(200, #"{"value":3,"changed":true}"#)
        try apiary.curl(entry + "?mode=any", json: #"{"value":4}"#).answers(200)
        try apiary.curl(entry, "If-None-Match: *", json: #"{"value":5}"#)
            .answers(412, problem: .preconditionFailed)
        try apiary.curl(entry + "?mode=replace", json: #"{"value":5}"#)
            .answers(400, problem: .invalidParameter)
        try apiary.curl(entry + "?dry_run=true", json: #"{"value":6}"#)
            .answers(200, #"{"value":6,"changed":true,"dry_run":true}"#)
        #expect(try apiary.value("v/many", 5) == 4)
        for json in [#"{"values":[1]}"#, "{}", #"{"value":1,"values":[1]}"#] {
            try apiary.curl(entry, json: json).answers(400)
        }
        try apiary.curl(entry, json: #"{"value":1,"ttl":5}"#)
            .answers(400, #"{"code":"unknown_member","pointer":"/ttl"}"#)
        #expect(try apiary.value("v/many", 5) == 4)
    }

    @Test func `an entry is removed once`() throws {
        try apiary.curl("PUT /v1/maps/v/many/entries/5", json: #"{"value":1}"#).answers(201)
        try apiary.curl("DELETE /v1/maps/v/many/entries/5?dry_run=true").answers(204)
        try apiary.curl("DELETE /v1/maps/v/many/entries/5").answers(204)
        try apiary.curl("DELETE /v1/maps/v/many/entries/5").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/maps/v/many/entries/5?missing_ok=true").answers(204)
        #expect(try dump("many").isEmpty)
        try apiary.curl("DELETE /v1/maps/v/row/entries/0")
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test func `an array has its indices and no more`() throws {
        try apiary.curl("GET /v1/maps/v/row/entries").answers(
            200, #"{"items":[{"key":0,"value":0},{"key":1,"value":0},{"key":2,"value":0}]}"#)
        try apiary.curl("PUT /v1/maps/v/row/entries/2", json: #"{"value":9}"#)
            .answers(200, #"{"key":2,"value":9,"changed":true}"#)
        for method in ["GET", "PUT"] {
            let beyond = try apiary.curl(
                "\(method) /v1/maps/v/row/entries/3", json: method == "PUT" ? #"{"value":1}"# : nil
            ).answers(422, problem: .invalidValue)
            #expect(beyond["/detail"]?.string?.contains("3") == true)
        }
        try apiary.curl("PUT /v1/maps/v/row/entries/1?mode=create", json: #"{"value":1}"#)
            .answers(409, problem: .alreadyExists)
    }

    @Test func `a full map says so`() throws {
        for key in 0..<4 {
            try apiary.curl("PUT /v1/maps/v/bare/entries/\(key)", json: Self.twelve).answers(201)
        }
        let full = try apiary.curl("PUT /v1/maps/v/bare/entries/4", json: Self.twelve)
            .answers(507, #"{"code":"map_full","errno":"E2BIG"}"#)
        #expect(full["/detail"]?.string?.contains("4") == true)
        try apiary.curl("PUT /v1/maps/v/bare/entries/3", json: Self.twelve).answers(200)
        try apiary.curl("DELETE /v1/maps/v/bare/entries/0").answers(204)
        try apiary.curl("PUT /v1/maps/v/bare/entries/4", json: Self.twelve).answers(201)
    }

    private static let twelve = #"{"value":"hex:000000000000000000000000"}"#
}
