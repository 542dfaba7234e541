import Glibc
import JSON
import TestSupport
import Testing

/// Streams of events by curl, each line held against the contract.
@Suite(.requiresRoot, .needs(.tracepoint), .serialized)
struct EventSessionTests {
    /// Sends only what this process does, so that the rest of the machine does not disturb.
    private func load(_ apiary: TestDaemon) throws {
        let target = "target_pid=\(getpid())"
        try apiary.curl("PUT /v1/programs/calls?attach=auto&global=\(target)", file: "events.bpf.o")
            .answers(201, #"{"changed":true}"#)
    }

    @Test func `events come live, typed by their declaration, in order`() throws {
        let apiary = try TestDaemon()
        try load(apiary)
        let stream = try apiary.stream("GET /v1/events?program=calls")
        _ = try stream.next(kind: "hello")
        for _ in 0..<3 { _ = getpgid(0) }
        let events = try stream.next(3)
        #expect(events.map { $0.at("/data/number")?.int } == [1, 2, 3])
        #expect(events.allSatisfy { $0["type"] == "call_event" })
        #expect(events[0].at("/data/pid")?.int == Int(getpid()))
        #expect(events[0].at("/data/place/numbers") == [1, 0, 3])
    }

    @Test func `a cursor goes on where it was, also after kill -9 and a new start`() throws {
        let apiary = try TestDaemon()
        try load(apiary)
        let first = try apiary.stream("GET /v1/events?program=calls&since=oldest")
        _ = getpgid(0)
        let cursor = try #require(try first.next()[0]["cursor"]?.string)
        first.stop()
        _ = getpgid(0)
        let link = try apiary.curl("GET /v1/probes/calls.send").answers(200)["/link/pinned"]
        apiary.kill9()
        // A link that is not pinned, before 5.15, goes with the daemon and comes back with it.
        if link == true { _ = getpgid(0) }
        try apiary.start()
        if link == false { _ = getpgid(0) }
        let second = try apiary.stream("GET /v1/events?program=calls&since=\(cursor)")
        let numbers = try second.next(2).map { $0.at("/data/number")?.int }
        #expect(numbers == [2, 3])
    }

    @Test func `a finite answer ends by itself, and the ledger balances`() throws {
        let apiary = try TestDaemon()
        try load(apiary)
        let live = try apiary.stream("GET /v1/events?program=calls")
        _ = try live.next(kind: "hello")
        for _ in 0..<5 { _ = getpgid(0) }
        _ = try live.next(5)
        let answer = try apiary.curl("GET /v1/events?program=calls&follow=false&records=events")
            .answers(200)
        #expect(answer.text.split(separator: "\n").count == 5)
        let limited = try apiary.stream("GET /v1/events?program=calls&since=oldest&limit=2").rest()
        #expect(limited.lines.last?["reason"] == "limit")
        #expect(limited.exitStatus == 0)
        let ledger = try apiary.curl("GET /v1/events/ledger?program=calls")
            .answers(200, #"{"items":[{"received":5,"journaled":5,"produced":5,"invalid":{}}]}"#)
        #expect(ledger["/items/0/lost/kernel"] == 0)
        try apiary.curl("DELETE /v1/programs/calls").answers(204)
        #expect(try live.rest().lines.last?["reason"] == "program_deleted")
    }

    @Test func `bad cursors and names are refused before the stream begins`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("GET /v1/events?since=nonsense").answers(400, problem: .invalidCursor)
        try apiary.curl("GET /v1/events?program=absent").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/events?format=xml").answers(400, problem: .invalidParameter)
    }
}
