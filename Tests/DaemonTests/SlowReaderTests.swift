import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Clients that do not read.
@Suite(.requiresRoot, .needs(.tracepoint)) struct SlowReaderTests {
    @Test func `a reader that takes nothing is ended, and comes to read why`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "slow_consumer_s=20"])
        let other = try Workload()
        try Self.load(apiary, pid: other.processIdentifier)
        let slow = try apiary.stream("GET /v1/events?program=e")
        let quick = try apiary.stream("GET /v1/events?program=e")
        _ = try slow.next(kind: "hello")
        _ = try quick.next(kind: "hello")
        slow.signal(SIGSTOP)
        // More than its socket and its connection hold.
        for round in 1...20 {
            try other.getpgid(100)
            let isTaken = try Machine.waits {
                let ledger = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
                return ledger["/items/0/received"]?.int == 100 * round
            }
            #expect(isTaken)
        }
        // After twenty seconds the end is its next line; after forty the connection is closed.
        Clock.sleep(nanoseconds: 25_000_000_000)
        slow.signal(SIGCONT)
        let lines = try slow.lines(deadlineSeconds: 60) { $0["kind"] == "end" }
        #expect(lines.last?["reason"] == "slow_consumer")
        let events = lines.filter { $0["kind"] == "event" }
        #expect(events.count > 100 && events.count < 2000)
        let numbers = events.compactMap { $0.at("/data/number")?.int }
        #expect(numbers == Array(1...max(1, numbers.count)))
        // Its last cursor goes on with the rest.
        let cursor = lines.last?["cursor"]?.string ?? ""
        let rest = try apiary.curl("GET /v1/events?program=e&follow=false&since=\(cursor)")
            .answers(200)
        let next = try JSONValue.parse(
            String(rest.text.split(separator: "\n").first { $0.contains("\"event\"") } ?? ""))
        #expect(next.at("/data/number")?.int == numbers.count + 1)
        // Who reads has everything.
        let all = try quick.next(2000, deadlineSeconds: 120)
        #expect(all.last?.at("/data/number")?.int == 2000)
    }

    private static func load(_ apiary: TestDaemon, pid: Int32) throws {
        try apiary.curl(
            "PUT /v1/programs/e?attach=auto&global=target_pid=\(pid)", file: "events.bpf.o"
        ).answers(201)
    }
}
