import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapNotationTests {
    private func daemon() throws -> TestDaemon {
        let apiary = try TestDaemon()
        try apiary.curl(
            "PUT /v1/programs/n?global=gateway=%2210.0.0.254%22", file: "notations.bpf.o"
        )
        .answers(201)
        return apiary
    }

    @Test func `addresses, ports and MAC addresses are read and written as people do`() throws {
        let apiary = try daemon()
        let value = """
            {"from":"192.0.2.1","to":"2001:db8::1","source":"0a:1b:2c:3d:4e:5f","port":443,
             "resolvers":["8.8.8.8","1.1.1.1"]}
            """
        let path = "/v1/maps/n/flows/entries"
        try apiary.curl("PUT \(path)/10.0.0.1", json: #"{"value":\#(value)}"#)
            .answers(201, #"{"key":"10.0.0.1","value":\#(value)}"#)
        let raw = try apiary.curl("GET \(path)/10.0.0.1?encoding=hex").answers(200)
        #expect(raw["/key"]?.string == "hex:0a000001")
        #expect(raw["/value"]?.string?.hasPrefix("hex:c0000201" + "20010db8") == true)
        #expect(raw["/value"]?.string?.contains("0a1b2c3d4e5f" + "01bb") == true)
        for condition in ["port==443", "from==192.0.2.1", "resolvers.1==1.1.1.1", "port<1024"] {
            try apiary.curl("GET \(path)?count=true&where=\(condition)")
                .answers(200, #"{"count":1}"#)
        }
        try apiary.curl("GET \(path)?count=true&where=port>=1024").answers(200, #"{"count":0}"#)
        try apiary.curl("PUT \(path)/10.0.0.1", json: #"{"value":{"from":"192.0.2"}}"#)
            .answers(422, #"{"code":"invalid_value","pointer":"/value/from"}"#)
        try apiary.curl("PUT \(path)/10.0.0.300", json: #"{"value":{}}"#)
            .answers(422, problem: .invalidValue)
    }

    @Test(.needs(.tracepoint)) func `a histogram is summed over the CPUs and has bounds`() throws {
        let apiary = try daemon()
        try apiary.curl("POST /v1/probes", json: #"{"program":"n","function":"count"}"#)
            .answers(201)
        try Workload().getpgid(5)
        let entry = try apiary.curl("GET /v1/maps/n/latencies/entries/0?cpu=sum").answers(200)
        let slots = try #require(entry["/value/slots"]?.array)
        let count = try #require(entry["/value/count"]?.int)
        #expect(count >= 5)
        #expect(slots.count == 8)
        #expect(slots[2] == ["from": 4, "to": 7, "count": JSONValue(count)])
        #expect(slots[7] == ["from": 128, "to": nil, "count": JSONValue(count)])
        #expect(slots[3]["count"]?.int == 0)
    }

    @Test func `variables have the notation of their type or their own`() throws {
        let apiary = try daemon()
        try apiary.curl("GET /v1/programs/n/globals/gateway").answers(
            200, #"{"value":"10.0.0.254"}"#)
        try apiary.curl("PATCH /v1/programs/n/globals/peer", json: #"{"value":"10.1.1.1"}"#)
            .answers(200, #"{"value":"10.1.1.1","changed":true}"#)
    }

    @Test func `each key that a map has comes back as it was shown`() throws {
        let apiary = try daemon()
        let keys: [String: [String]] = [
            "unions": ["hex:00000000", "hex:05000000", #"{"ratio":0.5}"#],
            "texts": [
                "abc", "42", "true", "null", "-1.5", "%7B%7D", "%22%22", "%22a%22", "a%2Fb",
                "hex:ff00000000000001", "hex:6100620000000000", "%20", "%C3%A9",
                "hex:6865783a00000000",
            ],
            "padded": [
                #"{"yes":true,"number":7}"#, "hex:0200000000000000", "hex:0101010100000000", "{}",
            ],
        ]
        for (map, given) in keys {
            let path = "/v1/maps/n/\(map)/entries"
            for key in given {
                let answer = try apiary.curl("PUT \(path)/\(key)", json: #"{"value":1}"#)
                #expect([200, 201].contains(answer.status), "\(map) \(key): \(answer)")
            }
            let shown = try apiary.curl("GET \(path)?format=ndjson").lines.dropLast()
            let bytes = try apiary.curl("GET \(path)?format=ndjson&encoding=hex").lines.dropLast()
            for (entry, raw) in zip(shown, bytes) {
                let text = String(decoding: (entry["key"] ?? nil).serialized(), as: UTF8.self)
                let escaped = text.replacing("%", with: "%25").replacing("/", with: "%2F")
                let again = try apiary.curl("GET \(path)/\(escaped)?encoding=hex").answers(200)
                #expect(again["/key"] == raw["key"], "\(map): \(text)")
                let batch = try apiary.curl(
                    "POST /v1/maps/n/\(map)/batch?encoding=typed", json: #"{"lookup":[\#(text)]}"#
                ).answers(200, #"{"counts":{"lookup":{"done":1,"failed":0}}}"#)
                #expect(batch["/lookup/0/key"] == entry["key"], "\(map): \(text)")
            }
        }
    }
}
