import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapFollowTests {
    @Test func `a follower sees what is added, changed and removed`() throws {
        let apiary = try mapsDaemon()
        func put(_ key: Int, _ packets: Int) throws {
            try apiary.curl(
                "PUT /v1/maps/m/hash/entries/\(key)", json: #"{"value":{"packets":\#(packets)}}"#)
        }
        try put(1, 1)
        let lines = try apiary.stream("GET /v1/maps/m/hash/entries?follow=100ms")
        let first = try lines.lines { $0["kind"]?.string == "added" }
        #expect(first.first?["kind"]?.string == "hello")
        #expect(first.last?["key"]?.int == 1)
        try put(1, 2)
        let changed = try lines.next(kind: "changed")[0]
        #expect(changed["value"]?["packets"]?.int == 2)
        try put(2, 5)
        #expect(try lines.next(kind: "added")[0]["key"]?.int == 2)
        try apiary.curl("DELETE /v1/maps/m/hash/entries/1").answers(204)
        #expect(try lines.next(kind: "removed")[0]["key"]?.int == 1)
        let look = try lines.next(kind: "look")[0]
        #expect(look["entries"]?.int == 1)
        try apiary.curl("DELETE /v1/programs/m").answers(204)
        let end = try lines.rest()
        #expect(end.lines.last?["reason"]?.string == "program_deleted")
        #expect(end.exitStatus == 0)
    }

    @Test func `intervals out of bounds and what does not go with follow are refused`() throws {
        let apiary = try mapsDaemon()
        for query in ["follow=", "follow=1", "follow=10ms", "follow=2h", "follow=1s&limit=3"] {
            try apiary.curl("GET /v1/maps/m/hash/entries?\(query)")
                .answers(400, problem: .invalidParameter)
        }
        try apiary.curl("GET /v1/maps/m/hash/entries?follow=1s", "Accept: text/csv")
            .answers(406, problem: .notAcceptable)
    }

    @Test func `a condition lets entries in and out as they change`() throws {
        let apiary = try mapsDaemon()
        let lines = try apiary.stream(
            "GET /v1/maps/m/hash/entries?follow=100ms&where=packets>=5")
        func put(_ key: Int, _ packets: Int) throws {
            try apiary.curl(
                "PUT /v1/maps/m/hash/entries/\(key)", json: #"{"value":{"packets":\#(packets)}}"#)
        }
        try put(1, 1)
        try put(2, 5)
        #expect(try lines.next(kind: "added")[0]["key"]?.int == 2)
        try put(1, 6)
        #expect(try lines.next(kind: "added")[0]["key"]?.int == 1)
        try put(1, 7)
        #expect(try lines.next(kind: "changed")[0]["value"]?["packets"]?.int == 7)
        try put(1, 4)
        #expect(try lines.next(kind: "removed")[0]["key"]?.int == 1)
        try apiary.curl("GET /v1/maps/m/hash/entries?follow=1s&where=nothing==1")
            .answers(400, problem: .invalidParameter)
    }

    @Test func `followers of every form see the same, as events too`() throws {
        let apiary = try mapsDaemon()
        let path = "GET /v1/maps/m/percpu_hash/entries?follow=100ms"
        let each = try apiary.stream(path)
        let sum = try apiary.stream("\(path)&cpu=sum")
        let cpus = try apiary.curl("GET /v1/host")["/cpus/possible"]?.int ?? 0
        let values = (0..<cpus).map { _ in #"{"packets":2}"# }.joined(separator: ",")
        try apiary.curl(
            "PUT /v1/maps/m/percpu_hash/entries/1", json: #"{"values":[\#(values)]}"#
        ).answers(201)
        #expect(try each.next(kind: "added")[0]["values"]?.array?.count == cpus)
        #expect(try sum.next(kind: "added")[0]["value"]?["packets"]?.int == 2 * cpus)
    }
}
