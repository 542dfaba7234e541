import Foundation
import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Clients that do not read, and what the ledger says meanwhile.
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

    @Test func `the ledger balances whenever it is read, also with slow readers and after kills`()
        throws
    {
        let apiary = try TestDaemon()
        let producer = try Producer(calls: 40, pauseMilliseconds: 1)
        defer { producer.stop() }
        try Self.load(apiary, pid: producer.processIdentifier)
        var last = 0
        for round in 0..<3 {
            // A type that a named program does not have would be refused.
            let queries = [
                "program=e", "program=e&filter=number%20%26%201", "program=e&sample=1/7",
                "type=none",
            ]
            let readers = try queries.map { try Reader(apiary.socket, $0) }
            defer { for reader in readers { reader.stop() } }
            let areThere = try Machine.waits(seconds: 60) {
                let ledger = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
                return ledger["/items/0/readers"]?.array?.count == readers.count
            }
            #expect(areThere)
            if round == 0 { producer.start() }
            readers[1].signal(SIGSTOP)
            for _ in 0..<40 {
                let ledger = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
                let received = try LedgerRow(#require(ledger["/items/0"])).received
                #expect(received >= last, "\(received) after \(last)")
                last = received
            }
            apiary.kill9()
            try apiary.start()
        }
        #expect(last > 0, "nothing was produced")
    }

    private static func load(_ apiary: TestDaemon, pid: Int32) throws {
        try apiary.curl(
            "PUT /v1/programs/e?attach=auto&global=target_pid=\(pid)", file: "events.bpf.o"
        ).answers(201)
    }

    /// A client whose lines nobody looks at.
    private final class Reader {
        private let process = Process()

        init(_ socket: String, _ query: String) throws {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
            process.arguments = [
                "-sN", "-o", "/dev/null", "--unix-socket", socket,
                "http://localhost/v1/events?" + query,
            ]
            try process.run()
        }

        func signal(_ number: Int32) { kill(process.processIdentifier, number) }

        func stop() {
            guard process.isRunning else { return }
            signal(SIGKILL)
            process.waitUntilExit()
        }
    }
}
