import Foundation
import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Streams of all sorts of one program: what each shows, through curl.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventSourceTests {
    let apiary: TestDaemon
    let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
        try apiary.load("s", "streams.bpf.o", watching: other.processIdentifier)
    }

    private func lines(_ query: String) throws -> [JSONValue] {
        let answer = try apiary.curl("GET /v1/events?follow=false&\(query)").answers(200)
        return try answer.lines
    }

    private func events(_ query: String, atLeast count: Int) throws -> [JSONValue] {
        var found: [JSONValue] = []
        _ = try Machine.waits {
            found = try lines(query).filter { $0["kind"] == "event" }
            return found.count >= count
        }
        return found
    }

    private func ledger(_ map: String) throws -> JSONValue? {
        try apiary.curl("GET /v1/events/ledger?program=s").answers(200)["/items"]?.array?
            .first { $0["map"]?.string == map }
    }

    @Test func `a perf event array is a stream like any other`() throws {
        try other.getpgid(500)
        let perf = try events("program=s&map=perf", atLeast: 500)
        #expect(perf.compactMap { $0.at("/data/number")?.int } == Array(1...500))
        #expect(perf.first?["type"] == "perf_event")
        #expect(perf.first?.at("/data/comm") == "perl")
        #expect(perf.allSatisfy { $0["trailing"] == nil })
        #expect(try ledger("perf")?.at("/lost/kernel") == 0)
        #expect(try ledger("perf")?["produced"] == 500)
    }

    @Test func `what a perf ring had no room for is counted exactly`() throws {
        apiary.signal(SIGSTOP)
        try other.getpgid(20_000)
        apiary.signal(SIGCONT)
        try other.getpgid(1)
        var row: JSONValue?
        let isWhole = try Machine.waits {
            row = try ledger("perf")
            return row?["produced"]?.int == 20_001
        }
        #expect(isWhole, "\(row?.compact ?? "")")
        #expect(row?.at("/lost/kernel")?.int ?? 0 > 0)
        let all = try lines("program=s&map=perf")
        let lost = all.compactMap { $0["lost"]?.int }.reduce(0, +)
        #expect(all.count { $0["kind"] == "event" } + lost == 20_001)
    }

    @Test func `several types in one ring are told apart by their tag`() throws {
        try other.getpgid(20)
        let kinds = try events("program=s&map=kinds", atLeast: 17)
        #expect(kinds.first?["type"] == "open_event")
        #expect(kinds.first?.at("/data/kind") == "EVENT_OPEN")
        #expect(kinds[1]["type"] == "close_event")
        #expect(kinds[1].at("/data/flag") == 1)
        #expect(kinds[1].at("/data/level") == 5)
        #expect(try lines("program=s&map=kinds&type=close_event&records=events").count == 8)
        let invalid = try lines("program=s&map=kinds&records=invalid").filter {
            $0["kind"] == "event"
        }
        #expect(invalid.compactMap { $0["invalid"]?.string } == ["pid", "tag", "tag"])
        #expect(try ledger("kinds")?["invalid"] == ["pid": 1, "tag": 2])
    }

    @Test func `a flexible array is as long as its record`() throws {
        try other.getpgid(9)
        let tails = try events("program=s&map=tails", atLeast: 9)
        #expect(
            tails.compactMap { $0.at("/data/text")?.string }
                == ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "", "a"])
        #expect(
            try lines("program=s&map=tails&records=events&filter=text == \"abc\"").compactMap {
                $0["seq"]?.int
            } == [3])
    }

    @Test func `kernel addresses are resolved where they are declared, the rest when asked`() throws
    {
        if ProcessInfo.processInfo.environment["APIARY_GUEST"] != nil {
            print("skipped: an emulated guest takes minutes to read /proc/kallsyms")
            return
        }
        try other.getpgid(2)
        let site = try #require(try events("program=s&map=sites", atLeast: 2).first)
        let symbol = site.at("/resolved/ip")?.string ?? ""
        #expect(symbol.contains("+0x"), "\(site.compact)")
        #expect(site.at("/resolved/uid") == nil)
        let all = try lines("program=s&map=sites&resolve=all&limit=1&records=events")
        #expect(all.first?.at("/resolved/uid") == "root")
        #expect(all.first?.at("/resolved/cgroup_id") != nil)
        try apiary.curl("GET /v1/events?resolve=dns").answers(400, problem: .invalidParameter)
    }

    @Test func `what the program's own rate limit left out is in the ledger`() throws {
        try other.getpgid(35)
        #expect(try events("program=s&map=limited", atLeast: 10).count == 10)
        let row = try ledger("limited")
        #expect(row?["rate_limited"] == 25)
        #expect(row?["produced"] == 10)
        #expect(try ledger("kinds")?["rate_limited"] == .null)
    }

    @Test func `a program that does not wake the daemon is heard all the same`() throws {
        try other.getpgid(3)
        #expect(try events("program=s&map=quiet", atLeast: 3).count == 3)
        try other.getpgid(200)
        #expect(try events("program=s&map=quiet", atLeast: 203).count == 203)
    }

    @Test func `what programs print is a stream of its own`() throws {
        // Other tests' programs print too.
        let own = "filter=pid == \(other.processIdentifier)"
        let stream = try apiary.stream("GET /v1/events?source=trace_pipe&\(own)")
        _ = try stream.next(kind: "hello")
        try other.getpgid(3)
        let lines = try stream.next(3)
        #expect(lines.compactMap { $0.at("/data/text")?.string } == ["call 1", "call 2", "call 3"])
        #expect(lines[0].at("/data/pid")?.int == Int(other.processIdentifier))
        #expect(lines[0].at("/data/comm") == "perl")
        #expect(lines[0]["program"] == .null)
        #expect(lines[0]["map"] == "trace_pipe")
        #expect(try self.lines("").allSatisfy { $0["map"] != "trace_pipe" })
        let found = try self.lines(
            "source=trace_pipe&records=events&fields=text&\(own) %26%26 text ~ \"*2\"")
        #expect(found.compactMap { $0["data"] } == [["text": "call 2"]])
        try apiary.curl("GET /v1/events?source=trace_pipe&program=s")
            .answers(400, problem: .invalidParameter)
        try apiary.curl("GET /v1/events?source=dmesg").answers(400, problem: .invalidParameter)
        let instances = "/sys/kernel/tracing/instances"
        let id = lines[0]["cursor"]?.string?.prefix(16) ?? ""
        #expect(try FileSystem.list(instances).contains("apiary-\(id)"))
        apiary.stop()
        #expect(try !FileSystem.list(instances).contains("apiary-\(id)"))
    }

    @Test func `options that the object does not have are refused with their place`() throws {
        let digest = try apiary.curl("GET /v1/programs/s").answers(200)["/digest"]?.string ?? ""
        for (options, pointer) in [
            (#"{"nope":{"type":"open_event"}}"#, "/events/nope"),
            (#"{"kinds":{"type":"nope"}}"#, "/events/kinds/type"),
            (#"{"kinds":{"type_by":"nope"}}"#, "/events/kinds/type_by"),
            (#"{"kinds":{"type_by":"kind","types":{"9x":"open_event"}}}"#, "/events/kinds/type_by"),
            (#"{"kinds":{"type_by":"kind","types":{"1":"nope"}}}"#, "/events/kinds/types/1"),
            (#"{"kinds":{"types":{"1":"open_event"}}}"#, "/events/kinds/types"),
            (#"{"kinds":{"validate":{"pid":7}}}"#, "/events/kinds/validate/pid"),
            (#"{"kinds":{"validate":{"pid":"nope"}}}"#, "/events/kinds/validate/pid"),
            (#"{"kinds":{"retention":{"bytes":1}}}"#, "/events/kinds/retention/bytes"),
            (#"{"perf":{"buffer_bytes":1}}"#, "/events/perf/buffer_bytes"),
        ] {
            let answer = try apiary.curl(
                "PUT /v1/programs/t",
                json: #"{"object":{"digest":"\#(digest)"},"events":\#(options)}"#)
            answer.answers(400, problem: .invalidMember)
            #expect(answer["/pointer"]?.string == pointer, "\(answer)")
        }
        try apiary.curl("GET /v1/programs/t").answers(404)
    }

    @Test func `rules can be switched off and types be named at load`() throws {
        let digest = try apiary.curl("GET /v1/programs/s").answers(200)["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/t",
            json: """
                {"object":{"digest":"\(digest)"},"attach":"auto",
                 "globals":{"target_pid":\(other.processIdentifier)},
                 "events":{"kinds":{"type_by":"kind","types":{"1":"open_event","2":"close_event",
                                                              "7":"close_event"},
                                    "validate":{"pid":false}},
                           "tails":{"type":"limited_event"}}}
                """
        ).answers(201)
        try other.getpgid(20)
        let kinds = try events("program=t&map=kinds", atLeast: 20)
        #expect(kinds.count == 20)
        #expect(kinds[8].at("/data/pid") == 0)
        let tails = try events("program=t&map=tails", atLeast: 20)
        #expect(tails[0]["trailing"]?.string?.hasSuffix("61") == true)
        #expect(tails[0].at("/data/number") == 1)
    }

    @Test func `a deleted program's journal stays, unless it is purged`() throws {
        try other.getpgid(5)
        #expect(try events("program=s&map=perf", atLeast: 5).count == 5)
        try apiary.curl("DELETE /v1/programs/s").answers(204)
        #expect(try lines("program=s&map=perf&records=events").count == 5)
        try apiary.curl("DELETE /v1/programs/s").answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/programs/s?purge=true").answers(204)
        try apiary.curl("GET /v1/events?program=s&follow=false").answers(404, problem: .notFound)
        try apiary.load("s", "streams.bpf.o", watching: other.processIdentifier)
        try other.getpgid(2)
        let again = try events("program=s&map=perf", atLeast: 2)
        #expect(again.compactMap { $0["seq"]?.int } == [1, 2])
        try apiary.curl("DELETE /v1/programs/s?purge=true").answers(204)
        try apiary.curl("DELETE /v1/programs/s?purge=true").answers(404, problem: .notFound)
    }
}
