import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapDumpTests {
    private func filled(_ count: Int = 5000) throws -> TestDaemon {
        let apiary = try mapsDaemon()
        let lines = (0..<count).map { #"{"update":{"key":\#($0),"value":\#($0 * 3)}}"# }
        try apiary.curl(
            "POST /v1/maps/m/big/batch?results=failed", "Content-Type: application/x-ndjson",
            json: try apiary.body(lines.joined(separator: "\n"))
        ).answers(200, #"{"counts":{"update":{"done":\#(count),"failed":0}}}"#)
        return apiary
    }

    @Test func `a dump has each entry once and says so in its last line`() throws {
        let apiary = try filled()
        let lines = try apiary.curl(
            "GET /v1/maps/m/big/entries", "Accept: application/x-ndjson"
        ).answers(200).lines
        #expect(lines.count == 5001)
        var seen: Set<Int> = []
        for line in lines.dropLast() {
            let key = try #require(line["key"]?.int)
            #expect(line["value"]?.int == key * 3)
            #expect(seen.insert(key).inserted)
        }
        #expect(lines.last?["entries"]?.int == 5000)
        #expect(lines.last?["consistent"]?.bool == true)
        #expect(lines.last?["reason"]?.string == "complete")
    }

    @Test func `a limit, conditions and a count see the same entries`() throws {
        let apiary = try filled(1000)
        let path = "/v1/maps/m/big/entries"
        let some = try apiary.curl("GET \(path)?format=ndjson&where=value<30&where=key!=3")
            .answers(200).lines
        let keys = some.dropLast().compactMap { $0["key"]?.int }
        #expect(keys.sorted() == [0, 1, 2, 4, 5, 6, 7, 8, 9])
        try apiary.curl("GET \(path)?count=true&where=value<30").answers(200, #"{"count":10}"#)
        try apiary.curl("GET \(path)?count=true")
            .answers(200, #"{"count":1000,"consistent":true}"#)
        let three = try apiary.curl("GET \(path)?format=ndjson&limit=3").answers(200).lines
        #expect(three.count == 4)
        #expect(three.last?["reason"]?.string == "limit")
    }

    @Test func `conditions know enums, texts and members of keys`() throws {
        let apiary = try mapsDaemon()
        for (name, value) in [("tcp_a", 1), ("tcp_b", 2), ("udp", 3)] {
            try apiary.curl(
                #"PUT /v1/maps/m/names/entries/{"name":"\#(name)"}"#, json: #"{"value":\#(value)}"#
            ).answers(201)
        }
        let path = "GET /v1/maps/m/names/entries?format=ndjson"
        #expect(try apiary.curl("\(path)&prefix=tcp").lines.count == 3)
        #expect(try apiary.curl("\(path)&prefix=hex:756470").lines.count == 2)
        #expect(try apiary.curl("\(path)&where=name==udp").lines.first?["value"]?.int == 3)
        #expect(try apiary.curl("\(path)&where=key.name!=udp&where=value>=2").lines.count == 2)
        for wrong in ["nothing==1", "value", "name<udp", "value==x", "value==-1", "=", ""] {
            try apiary.curl("\(path)&where=\(wrong)").answers(400, problem: .invalidParameter)
        }
    }

    @Test func `a dump in CSV has a column for each member`() throws {
        let apiary = try mapsDaemon()
        let entry = "PUT /v1/maps/m/hash/entries/7"
        try apiary.curl(entry, json: #"{"value":{"packets":18446744073709551615,"bytes":2}}"#)
            .answers(201)
        let table = try apiary.curl("GET /v1/maps/m/hash/entries", "Accept: text/csv").answers(200)
        #expect(
            table.text
                == "key,value.packets,value.bytes\r\n7,18446744073709551615,2\r\n")
    }

    @Test func `pages give each entry once, and say when they begin again`() throws {
        let apiary = try filled(100)
        var seen: [Int] = []
        var cursor = ""
        while true {
            let page = try apiary.curl("GET /v1/maps/m/big/entries?limit=7\(cursor)").answers(200)
            let items = page["/items"]?.array ?? []
            seen += items.compactMap { $0["key"]?.int }
            guard let next = page["/next_cursor"]?.string else { break }
            cursor = "&cursor=\(next)"
        }
        #expect(seen.sorted() == Array(0..<100))
        let page = try apiary.curl("GET /v1/maps/m/big/entries?limit=1").answers(200)
        let last = page["/items/0/key"]?.int ?? -1
        try apiary.curl("DELETE /v1/maps/m/big/entries/\(last)").answers(204)
        try apiary.curl("GET /v1/maps/m/big/entries?cursor=\(page["/next_cursor"]?.string ?? "")")
            .answers(200, #"{"restarted":true}"#)
    }

    @Test func `what bpftool shows of a map is what a dump shows, value for value`() throws {
        let apiary = try mapsDaemon()
        let values = [
            #"{"packets":18446744073709551615,"bytes":9007199254740993}"#, #"{"bytes":7}"#, "{}",
        ]
        for (index, value) in values.enumerated() {
            try apiary.curl(
                "PUT /v1/maps/m/hash/entries/\(4_294_967_295 - index)",
                json: #"{"value":\#(value)}"#
            ).answers(201)
        }
        let id = try #require(try apiary.curl("GET /v1/maps/m/hash")["/kernel_id"]?.int)
        let theirs = try #require(try Machine.bpftool("map", "dump", "id", "\(id)")?.array)
        let ours = try apiary.curl("GET /v1/maps/m/hash/entries?format=ndjson").lines.dropLast()
        let shown = Set(theirs.compactMap { $0["formatted"] })
        #expect(shown.count == 3)
        #expect(Set(ours) == shown)
    }

    @Test func `a type without entries is refused with the place to go`() throws {
        let apiary = try mapsDaemon()
        for (map, words) in [
            ("ring", "/v1/events?program=m&map=ring"), ("queue", "/pop"), ("perf", "ring buffer"),
            ("tasks", "iter program"),
        ] {
            let answer = try apiary.curl("GET /v1/maps/m/\(map)/entries")
                .answers(422, problem: .unsupportedMapOperation)
            #expect(answer["/detail"]?.string?.contains(words) == true, "\(answer)")
        }
    }
}
