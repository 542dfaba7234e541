import Foundation
import Glibc
import JSON
import TestSupport
import Testing

/// Sources that die with the daemon: what a stop or a kill takes away is counted where somebody
/// knows it, and told as unknown where nobody does.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventRestartTests {
    private let apiary: TestDaemon
    private let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
    }

    private func load(_ object: String) throws {
        try apiary.load("s", object, watching: other.processIdentifier)
    }

    private func lines(_ query: String) throws -> [JSONValue] {
        try apiary.curl("GET /v1/events?follow=false&\(query)").answers(200).lines
    }

    private func row(_ map: String) throws -> JSONValue? {
        try apiary.curl("GET /v1/events/ledger?program=s").answers(200)["/items"]?.array?
            .first { $0["map"]?.string == map }
    }

    private func waits(_ map: String, received: Int) throws {
        var last: JSONValue?
        let isThere = try Machine.waits {
            last = try row(map)
            return last?["received"]?.int == received
        }
        #expect(isThere, "\(last?.compact ?? "")")
    }

    @Test func `a stop empties perf rings, and the program counts what comes while it is down`()
        throws
    {
        try load("streams.bpf.o")
        try other.getpgid(3)
        apiary.stop()
        try other.getpgid(5)
        try apiary.start()
        try other.getpgid(2)
        try waits("perf", received: 5)
        let perf = try row("perf")
        #expect(perf?.at("/lost/kernel") == 5, "\(perf?.compact ?? "")")
        #expect(perf?.at("/lost/unknown_gaps") == 0)
        #expect(perf?["produced"] == 10)
        let shown = try lines("program=s&map=perf")
        #expect(
            shown.filter { $0["kind"] == "event" }.compactMap { $0.at("/data/number")?.int }
                == [1, 2, 3, 9, 10])
        #expect(shown.compactMap { $0["lost"]?.int } == [5])
    }

    @Test func `what a kill takes from perf rings is a gap of unknown size, told once`() throws {
        try load("streams.bpf.o")
        try other.getpgid(3)
        try waits("perf", received: 3)
        let before = try lines("program=s&map=perf").last?["cursor"]?.string ?? ""
        apiary.kill9()
        try other.getpgid(1)
        try apiary.start()
        try other.getpgid(2)
        try waits("perf", received: 5)
        let perf = try row("perf")
        #expect(perf?.at("/lost/kernel") == .null, "\(perf?.compact ?? "")")
        #expect(perf?.at("/lost/unknown_gaps") == 1)
        #expect(perf?["produced"] == .null)
        #expect(perf?["next_seq"] == 8)
        // A ring buffer outlives the daemon: there nothing is unknown.
        try waits("sites", received: 6)
        #expect(try row("sites")?.at("/lost/kernel") == 0)
        let resumed = try lines("program=s&map=perf&since=\(before)")
        let gaps = resumed.filter { $0["kind"] == "gap" }
        #expect(gaps.map { $0["lost"] } == [.null, 1])
        #expect(gaps.allSatisfy { $0["where"] == "kernel" })
        #expect(
            resumed.filter { $0["kind"] == "event" }.compactMap { $0["seq"]?.int } == [6, 7])
        let behind = gaps.first?["cursor"]?.string ?? ""
        let again = try lines("program=s&map=perf&since=\(behind)")
        #expect(again.filter { $0["kind"] == "gap" }.map { $0["lost"] } == [1])
        let table = try apiary.curl("GET /v1/events?program=s&map=perf&format=csv").answers(200)
        #expect(table.text.contains(",s,perf,,,kernel,"))
        let metrics = try apiary.curl("GET /metrics").answers(200).text
        #expect(
            metrics.contains(#"apiary_events_unknown_gaps_total{program="s",map="perf"} 1"#))
    }

    @Test func `without the program's counter a stop leaves unknown what came while it was down`()
        throws
    {
        try load("shapes.bpf.o")
        try other.getpgid(2)
        apiary.stop()
        try other.getpgid(4)
        try apiary.start()
        try other.getpgid(1)
        try waits("bare", received: 3)
        #expect(try row("bare")?.at("/lost/kernel") == .null)
        #expect(
            try lines("program=s&map=bare").filter { $0["kind"] == "gap" }.map { $0["lost"] } == [
                .null
            ])
        // Let go of and loaded anew, nothing is unknown of the new rings.
        try apiary.curl("DELETE /v1/programs/s?purge=true").answers(204)
        try load("shapes.bpf.o")
        try other.getpgid(1)
        try waits("bare", received: 1)
        #expect(try row("bare")?.at("/lost/kernel") == 0)
    }

    @Test func `what programs print while a killed daemon is down is there after it`() throws {
        try load("shapes.bpf.o")
        let own = "source=trace_pipe&fields=text&filter=pid%20==%20\(other.processIdentifier)"
        _ = try lines(own)
        try other.getpgid(1)
        #expect(try Machine.waits { try lines("\(own)&records=events").count == 1 })
        let text = try lines("\(own)&records=events")[0].at("/data/text")?.string
        #expect(text == "call 1\n  second line \u{fffd}\u{fffd}")
        apiary.kill9()
        try other.getpgid(2)
        try apiary.start()
        try other.getpgid(1)
        let isThere = try Machine.waits {
            try lines("\(own)&records=events&since=oldest").count == 4
        }
        #expect(isThere)
        let all = try lines("\(own)&since=oldest")
        #expect(
            all.compactMap { $0.at("/data/text")?.string?.prefix(6) }
                == ["call 1", "call 2", "call 3", "call 4"])
        #expect(all.filter { $0["kind"] == "gap" }.map { $0["lost"] } == [.null])
    }
}
