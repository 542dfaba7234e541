import JSON
import TestSupport
import Testing

/// `"maps": {"m": {"reuse": …}}`: the map of another program, or the own one of before.
@Suite(.requiresRoot) struct MapReuseTests {
    private let apiary: TestDaemon
    private let digest: String
    private let other: String

    init() throws {
        apiary = try TestDaemon()
        let first = try apiary.curl("PUT /v1/programs/first", file: "hooks.bpf.o").answers(201)
        let second = try apiary.curl("PUT /v1/programs/second", file: "hooks_next.bpf.o")
            .answers(201)
        digest = first["/digest"]?.string ?? ""
        other = second["/digest"]?.string ?? ""
        try apiary.curl("DELETE /v1/programs/second").answers(204)
    }

    private func put(
        _ name: String, _ digest: String, _ maps: String, _ more: String = "", query: String = ""
    ) throws -> Answer {
        try apiary.curl(
            "PUT /v1/programs/\(name)\(query)",
            json: #"{"object":{"digest":"\#(digest)"},"maps":\#(maps)\#(more)}"#)
    }

    private func id(_ map: String) throws -> Int? {
        try apiary.curl("GET /v1/maps/\(map)").answers(200)["/kernel_id"]?.int
    }

    @Test func `keep keeps the entries over a replacement`() throws {
        // The first time there is nothing to keep: the same request makes the map.
        try put("x", digest, #"{"counts":{"reuse":"keep"}}"#).answers(201)
        try apiary.curl("PUT /v1/maps/x/counts/entries/0", json: #"{"value":41}"#).answers(200)
        let map = try id("x/counts")
        try put("x", digest, #"{"counts":{"reuse":"keep"}}"#).answers(200, #"{"changed":false}"#)
        try put("x", other, #"{"counts":{"reuse":"keep"}}"#, query: "?dry_run=true")
            .answers(200, #"{"changed":true,"dry_run":true}"#)
        try put("x", other, #"{"counts":{"reuse":"keep"}}"#).answers(200, #"{"changed":true}"#)
        #expect(try id("x/counts") == map)
        #expect(try apiary.value("x/counts", 0) == 41)
        // Without it the map is a new one.
        try put("x", digest, "{}").answers(200, #"{"changed":true}"#)
        #expect(try id("x/counts") != map)
        #expect(try apiary.value("x/counts", 0) == 0)
    }

    @Test func `two programs share a map, which outlives the one that made it`() throws {
        try put("x", other, #"{"counts":{"reuse":"first/counts"}}"#).answers(201)
        #expect(try id("x/counts") == id("first/counts"))
        try apiary.curl("PUT /v1/maps/first/counts/entries/1", json: #"{"value":5}"#).answers(200)
        #expect(try apiary.value("x/counts", 1) == 5)
        apiary.kill9()
        try apiary.start()
        #expect(try id("x/counts") == id("first/counts"))
        try put("x", other, #"{"counts":{"reuse":"first/counts"}}"#)
            .answers(200, #"{"changed":false}"#)
        // Another first has another map: the same request takes that.
        try put("first", digest, #"{"counts":{"max_entries":64}}"#).answers(200)
        try apiary.curl("GET /v1/maps/x/counts").answers(200)
        #expect(try id("x/counts") != id("first/counts"))
        try put("x", other, #"{"counts":{"reuse":"first/counts"}}"#)
            .answers(200, #"{"changed":true}"#)
        #expect(try id("x/counts") == id("first/counts"))
        try apiary.curl("DELETE /v1/programs/first").answers(204)
        #expect(try apiary.value("x/counts", 1) == 0)
    }

    @Test func `what does not fit is refused before the load, and pointed at`() throws {
        try apiary.curl("PUT /v1/programs/types", file: "maptypes.bpf.o").answers(201)
        try put("x", other, "{}").answers(201)
        let before = try apiary.curl("GET /v1/programs/x").answers(200)
        let refused: [(reuse: String, status: Int, code: String)] = [
            (#""nowhere/counts""#, 400, "invalid_member"),
            (#""first/count""#, 400, "invalid_member"),
            (#""counts""#, 400, "invalid_member"), (#""/counts""#, 400, "invalid_member"),
            (#""first/""#, 400, "invalid_member"), (#""Keep""#, 400, "invalid_member"),
            ("true", 400, "invalid_member"), (#""types/queue""#, 422, "load_refused"),
            (#""first/.rodata""#, 422, "load_refused"),
        ]
        for (reuse, status, code) in refused {
            try put("x", other, #"{"counts":{"reuse":\#(reuse)}}"#)
                .answers(status, #"{"code":"\#(code)","pointer":"/maps/counts/reuse"}"#)
        }
        try put("x", other, #"{"counts":{"reuse":"first/counts","max_entries":6}}"#)
            .answers(422, #"{"stage":"map","map":"counts","pointer":"/maps/counts/reuse"}"#)
        let near = try put("x", other, #"{"counts":{"reuse":"frist/counts"}}"#)
        #expect(near["/hint"]?.string?.contains("first") == true)
        try put("x", other, #"{"countz":{"reuse":"keep"}}"#)
            .answers(400, #"{"code":"invalid_member","pointer":"/maps/countz/reuse"}"#)
        try put("y", other, #"{"countz":{"reuse":"keep"}}"#)
            .answers(400, #"{"code":"invalid_member","pointer":"/maps/countz/reuse"}"#)
        let after = try apiary.curl("GET /v1/programs/x").answers(200)
        #expect(after.json == before.json)
        try apiary.curl("GET /v1/programs/y").answers(404, problem: .notFound)
    }

    @Test func `variables of a map that is kept are not set by the way`() throws {
        try put("x", other, #"{".rodata":{"reuse":"keep"}}"#, #","globals":{"target_pid":5}"#)
            .answers(201)
        try put("x", other, #"{".rodata":{"reuse":"keep"}}"#, #","globals":{"target_pid":6}"#)
            .answers(422, #"{"code":"invalid_value","pointer":"/globals/target_pid"}"#)
        #expect(try apiary.global("x", "target_pid") == 5)
    }

    @Test func `a ring that is kept goes on with its stream`() throws {
        let events = try apiary.curl("PUT /v1/programs/e", file: "events.bpf.o").answers(201)
        let digest = events["/digest"]?.string ?? ""
        let ring = events["/maps"]?.array?.first { $0["type"] == "ringbuf" }?["name"]?.string ?? ""
        let map = try id("e/\(ring)")
        try put("e", digest, #"{"\#(ring)":{"reuse":"keep"}}"#).answers(200, #"{"changed":true}"#)
        #expect(try id("e/\(ring)") == map)
        let ledger = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
        #expect(
            ledger["/items"]?.array?.count
                == events["/maps"]?.array?.count { $0["type"] == "ringbuf" })
        // Another program that writes into it has no stream of its own: both names find the one.
        try put("f", digest, #"{"\#(ring)":{"reuse":"e/\#(ring)"}}"#).answers(201)
        let all = try apiary.curl("GET /v1/events/ledger").answers(200)
        for list in [all, try apiary.curl("GET /v1/events/ledger?program=f").answers(200)] {
            let streams = list["/items"]?.array?.filter { $0["map"]?.string == ring } ?? []
            #expect(streams.count { $0["program"] == "e" } == 1, "\(list)")
            #expect(streams.contains { $0["program"] == "f" } == false, "\(list)")
        }
    }
}
