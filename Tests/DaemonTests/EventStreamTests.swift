import JSON
import Linux
import TestSupport
import Testing

/// `events.bpf.o` sends a numbered record for each getpgid(2) of one process, so that nothing can
/// be missing, double or out of order unseen.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventStreamTests {
    private let apiary: TestDaemon
    private let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
    }

    /// The lines of an answer that ends.
    private func lines(_ query: String) throws -> [JSONValue] {
        let answer = try apiary.curl("GET /v1/events?follow=false&\(query)").answers(200)
        #expect(answer.mediaType == "application/x-ndjson")
        return try answer.lines
    }

    private func numbers(_ lines: [JSONValue]) -> [Int] {
        lines.compactMap { $0["kind"] == "event" ? $0.at("/data/number")?.int : nil }
    }

    @Test func `events come live, typed by the object's BTF`() throws {
        let stream = try apiary.stream("GET /v1/events?program=e")
        let hello = try stream.next(kind: "hello")[0]
        #expect(hello["heartbeat_s"] == 15)
        try other.getpgid(5)
        let events = try stream.next(5)
        #expect(numbers(events) == [1, 2, 3, 4, 5])
        for (index, event) in events.enumerated() {
            let wanted = try JSONValue.parse(
                """
                {"kind":"event","seq":\(index + 1),"program":"e","map":"calls",
                 "type":"call_event","data":{"pid":\(other.processIdentifier),
                 "tid":\(other.processIdentifier),"verdict":"ALLOWED","comm":"perl",
                 "place":{"numbers":[1,0,3]}}}
                """)
            #expect(event.lacks(wanted).isEmpty, "\(event.compact)")
        }
        #expect(Set(events.map { $0["cursor"] }).count == 5)
        let times = events.compactMap { $0["time"]?.string }
        #expect(times == times.sorted())
        try other.getpgid(2)
        #expect(numbers(try stream.next(2)) == [6, 7])
        #expect(stream.isRunning)
    }

    @Test func `a new stream begins with now, and oldest is all that is retained`() throws {
        try other.getpgid(3)
        #expect(try Machine.waits { try numbers(lines("program=e")) == [1, 2, 3] })
        let stream = try apiary.stream("GET /v1/events?program=e")
        _ = try stream.next(kind: "hello")
        try other.getpgid(1)
        #expect(numbers(try stream.next()) == [4])
        let all = try apiary.stream("GET /v1/events?program=e&since=oldest")
        #expect(numbers(try all.next(4)) == [1, 2, 3, 4])
        #expect(numbers(try lines("program=e&since=now")) == [])
    }

    @Test func `each cursor goes on exactly after its record`() throws {
        try other.getpgid(10)
        try #require(try Machine.waits { try numbers(lines("program=e")).count == 10 })
        let events = try lines("program=e").filter { $0["kind"] == "event" }
        for (index, event) in events.enumerated() {
            let cursor = event["cursor"]?.string ?? ""
            let rest = Array((index + 2)..<12).filter { $0 <= 10 }
            #expect(numbers(try lines("program=e&since=\(cursor)")) == rest)
        }
        let third = events[2]["cursor"]?.string ?? ""
        let stream = try apiary.stream("GET /v1/events?program=e&since=\(third)")
        let hello = try stream.next(kind: "hello")[0]
        #expect(hello["cursor"]?.string == third)
        #expect(numbers(try stream.next(7)) == [4, 5, 6, 7, 8, 9, 10])
    }

    @Test func `after kill -9 a cursor goes on with nothing twice and nothing missing`() throws {
        let stream = try apiary.stream("GET /v1/events?program=e")
        _ = try stream.next(kind: "hello")
        try other.getpgid(40)
        let cursor = try stream.next(40).last?["cursor"]?.string ?? ""
        try other.getpgid(60)
        apiary.kill9()
        #expect(try stream.rest().exitStatus != 0)
        try other.getpgid(50)
        try apiary.start()
        try other.getpgid(25)
        let resumed = try apiary.stream("GET /v1/events?program=e&since=\(cursor)")
        #expect(numbers(try resumed.next(135)) == Array(41...175))
        let all = try lines("program=e")
        #expect(numbers(all) == Array(1...175))
        #expect(!all.contains { $0["kind"] == "gap" })
        let sequences = all.compactMap { $0["seq"]?.int }
        #expect(sequences == Array(1...175))
    }

    @Test func `ten kills under fire lose nothing`() throws {
        for _ in 0..<10 {
            try other.getpgid(100)
            apiary.kill9()
            try other.getpgid(20)
            try apiary.start()
        }
        #expect(try Machine.waits { try numbers(lines("program=e")).count >= 1200 })
        #expect(numbers(try lines("program=e")) == Array(1...1200))
    }

    @Test func `limit, records and type choose what is sent`() throws {
        try other.getpgid(10)
        #expect(try Machine.waits { try numbers(lines("program=e")).count == 10 })
        let limited = try lines("program=e&limit=3")
        #expect(numbers(limited) == [1, 2, 3])
        #expect(limited.last?["kind"] == "end")
        #expect(limited.last?["reason"] == "limit")
        let cursor = limited.last?["cursor"]?.string ?? ""
        #expect(numbers(try lines("program=e&since=\(cursor)")) == Array(4...10))
        let only = try lines("program=e&records=events")
        #expect(only.allSatisfy { $0["kind"] == "event" })
        #expect(only.count == 10)
        #expect(numbers(try lines("program=e&map=calls")).count == 10)
        #expect(numbers(try lines("type=call_event")).count == 10)
        #expect(numbers(try lines("type=other")) == [])
        #expect(numbers(try lines("")).count == 10)
        let misspelt = try apiary.curl("GET /v1/events?program=e&type=cal_event")
        #expect(misspelt.status == 400, "\(misspelt)")
        #expect(misspelt["/code"] == "invalid_parameter")
        #expect(misspelt["/hint"] == "Types: call_event.")
    }

    @Test func `an event stream resumes by Last-Event-ID`() throws {
        try other.getpgid(4)
        try #require(try Machine.waits { try numbers(lines("program=e")).count == 4 })
        let events = try lines("program=e").filter { $0["kind"] == "event" }
        let second = events[1]["cursor"]?.string ?? ""
        let path = "GET /v1/events?program=e&follow=false"
        let sse = try apiary.curl(path, "Accept: text/event-stream", "Last-Event-ID: \(second)")
            .answers(200)
        #expect(sse.mediaType == "text/event-stream")
        let blocks = sse.text.split(separator: "\n\n").map { $0.split(separator: "\n") }
            .filter { $0.contains("event: event") }
        #expect(blocks.count == 2, "\(sse)")
        for (block, event) in zip(blocks, events.dropFirst(2)) {
            #expect(block.contains("id: \(event["cursor"]?.string ?? "")"), "\(sse)")
            let data = block.first { $0.hasPrefix("data: ") }?.dropFirst(6) ?? ""
            #expect((try JSONValue.parse(String(data))) == event)
        }
        let first = events[0]["cursor"]?.string ?? ""
        let both = try apiary.curl(path + "&format=sse&since=\(first)", "Last-Event-ID: \(second)")
        #expect(both.text.split(separator: "\n").count { $0 == "event: event" } == 3)
    }

    @Test func `json-seq sets each record apart`() throws {
        try other.getpgid(2)
        #expect(try Machine.waits { try numbers(lines("program=e")).count == 2 })
        let sequence = try apiary.curl(
            "GET /v1/events?follow=false", "Accept: application/json-seq"
        )
        .answers(200)
        #expect(sequence.mediaType == "application/json-seq")
        let records = sequence.body.split(separator: 0x1e)
        #expect(sequence.body.first == 0x1e)
        let parsed = try records.map { try JSONValue.parse(String(decoding: $0, as: UTF8.self)) }
        #expect(numbers(parsed) == [1, 2])
        #expect(records.allSatisfy { $0.last == 0x0a })
    }

    @Test(arguments: [
        ("text/event-stream;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream;q=0, */*", "application/x-ndjson"),
        ("application/json;q=0.5, text/csv ; q=0.8", "text/csv"),
        ("text/html, text/event-stream, application/json-seq", "text/event-stream"),
        ("*/*;q=0.1,application/json-seq", "application/json-seq"),
    ])
    func `of several formats the most wanted is sent`(_ accept: String, _ type: String) throws {
        let answer = try apiary.curl("GET /v1/events?follow=false", "Accept: \(accept)")
        #expect(answer.answers(200).mediaType == type)
    }

    @Test func `what cannot be a stream is refused`() throws {
        for query in ["since=zz", "since=", "since=oldestt"] {
            let answer = try apiary.curl("GET /v1/events?\(query)")
            answer.answers(400, problem: .invalidCursor)
            #expect(answer["/detail"]?.string?.hasPrefix("since is not a cursor: send ") == true)
        }
        for query in ["limit=0", "limit=x", "follow=maybe", "records=some", "format=xml"] {
            try apiary.curl("GET /v1/events?\(query)").answers(400, problem: .invalidParameter)
        }
        try apiary.curl("GET /v1/events?filtre=x").answers(400, problem: .unknownParameter)
        try apiary.curl("GET /v1/events?program=f").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/events?program=e&map=call").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/events?program=e&map=calls_lost").answers(404, problem: .notFound)
        try apiary.curl("HEAD /v1/events?program=e").answers(200)
    }

    @Test(arguments: [
        ("place == 3", 1, "place, a struct place, is not a single value: compare place.cpu"),
        ("pid == place", 8, "place, a struct place, is not a single value: compare place.cpu"),
        ("pid == 7 && place.numbers == 1", 13, "compare place.numbers[0] to place.numbers[2]"),
        ("place.numbers[3] == 1", 1, "place.numbers is a __u16[3] and has no [3]: there is"),
        ("place.numbers[0].x == 1", 1, "place.numbers[0] is a __u16 and has no x"),
        ("place.cup", 1, "place is a struct place and has no cup: there is place.cpu"),
        ("pid == comm", 8, "pid is a __u32, and comm a char[16]"),
        ("pid == ssh", 8, "ssh is no member of struct call_event, and text stands in quotes"),
        ("verdict == ALOWED", 12, "ALOWED is neither a name of enum verdict nor a member"),
    ])
    func `a filter that compares what has no single value is told what has`(
        _ filter: String, _ position: Int, _ reason: String
    ) throws {
        try other.getpgid(1)
        #expect(try Machine.waits { try numbers(lines("program=e")).count == 1 })
        let encoded = filter.replacing("&", with: "%26").replacing(" ", with: "%20")
        let answer = try apiary.curl("GET /v1/events?program=e&filter=\(encoded)")
            .answers(400, problem: .invalidFilter)
        #expect(answer["/position"]?.int == position, "\(answer)")
        #expect(answer["/detail"]?.string?.contains(reason) == true, "\(answer)")
        let found = try lines("program=e&filter=place.cpu%20<%200||place.numbers[2]%20==%203")
        #expect(numbers(found) == [1])
    }

    @Test func `a stream of a program ends with the program`() throws {
        let stream = try apiary.stream("GET /v1/events?program=e")
        let all = try apiary.stream("GET /v1/events")
        _ = try stream.next(kind: "hello")
        _ = try all.next(kind: "hello")
        try other.getpgid(3)
        #expect(numbers(try stream.next(3)) == [1, 2, 3])
        try apiary.curl("DELETE /v1/programs/e").answers(204)
        let (rest, status) = try stream.rest()
        #expect(rest.last?["kind"] == "end")
        #expect(rest.last?["reason"] == "program_deleted")
        #expect(status == 0)
        #expect(all.isRunning)
    }

    @Test func `a replaced program goes on in the same stream`() throws {
        let stream = try apiary.stream("GET /v1/events?program=e")
        _ = try stream.next(kind: "hello")
        try other.getpgid(3)
        #expect(numbers(try stream.next(3)) == [1, 2, 3])
        // The same with another option: a fresh ring and a fresh count.
        try apiary.curl(
            "PUT /v1/programs/e?global=target_pid=\(other.processIdentifier)", file: "events.bpf.o"
        ).answers(200, #"{"changed":true}"#)
        try other.getpgid(2)
        let after = try stream.next(2)
        #expect(numbers(after) == [1, 2])
        #expect(after.map { $0["seq"]?.int } == [4, 5])
    }
}
