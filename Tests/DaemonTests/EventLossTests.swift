import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot, .needs(.tracepoint)) struct EventLossTests {
    private func lines(_ apiary: TestDaemon, _ query: String) throws -> [JSONValue] {
        let answer = try apiary.curl("GET /v1/events?follow=false&\(query)").answers(200)
        return try answer.lines
    }

    @Test func `what the ring had no room for is a gap with its exact count`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
        apiary.signal(SIGSTOP)
        try other.getpgid(3000)
        apiary.signal(SIGCONT)
        try other.getpgid(1)
        var all: [JSONValue] = []
        let isWhole = try Machine.waits {
            all = try lines(apiary, "program=e")
            let events = all.count { $0["kind"] == "event" }
            let lost = all.compactMap { $0["lost"]?.int }.reduce(0, +)
            return events + lost == 3001
        }
        #expect(isWhole, "\(all.suffix(5).map(\.compact))")
        let gaps = all.filter { $0["kind"] == "gap" }
        #expect(!gaps.isEmpty)
        for gap in gaps {
            #expect(gap["where"] == "kernel")
            #expect(gap["program"] == "e" && gap["map"] == "calls")
        }
        let numbers = all.compactMap { $0.at("/data/number")?.int }
        #expect(numbers == Array(1...max(1, numbers.count)))

        let ledger = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
        let lost = 3001 - numbers.count
        #expect(ledger["/items/0/lost/kernel"]?.int == lost)
        #expect(ledger["/items/0/produced"]?.int == 3001)
        #expect(ledger["/items/0/received"]?.int == numbers.count)
        #expect(ledger["/items/0/journaled"]?.int == numbers.count)
    }

    @Test func `the ledger balances for each reader`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
        let one = try apiary.stream("GET /v1/events?program=e")
        let two = try apiary.stream("GET /v1/events?type=none")
        _ = try one.next(kind: "hello")
        _ = try two.next(kind: "hello")
        try other.getpgid(100)
        _ = try one.next(100)
        var row: JSONValue?
        let isBalanced = try Machine.waits {
            let ledger = try apiary.curl("GET /v1/events/ledger").answers(200)
            row = ledger["/items/0"]
            let readers = row?["readers"]?.array ?? []
            let delivered = readers.compactMap { $0["delivered"]?.int }
            let filtered = readers.compactMap { $0["filtered"]?.int }
            return delivered.sorted() == [0, 100] && filtered.sorted() == [0, 100]
        }
        #expect(isBalanced, "\(row?.compact ?? "")")
        #expect(row?["received"] == 100)
        #expect(row?["journaled"] == 100)
        #expect(row?["open"] == true)
        #expect(row?.at("/lost/kernel") == 0)
        for reader in row?["readers"]?.array ?? [] {
            let sum = ["delivered", "filtered", "lost", "pending"].compactMap { reader[$0]?.int }
                .reduce(0, +)
            #expect(sum == 100, "\(reader.compact)")
        }
        one.stop()
        two.stop()
        // That a client is gone is seen when something is to be sent to it: at the next heartbeat.
        let areGone = try Machine.waits(seconds: 40) {
            let ledger = try apiary.curl("GET /v1/events/ledger").answers(200)
            return ledger["/items/0/readers"]?.array?.isEmpty == true
        }
        #expect(areGone)
        try apiary.curl("GET /v1/events/ledger?program=f").answers(404, problem: .notFound)
    }

    @Test func `a heartbeat tells an idle reader where it is`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
        let stream = try apiary.stream("GET /v1/events?program=e")
        _ = try stream.next(kind: "hello")
        try other.getpgid(1)
        _ = try stream.next()
        let beat = try stream.next(kind: "heartbeat", deadlineSeconds: 25)[0]
        try other.getpgid(2)
        _ = try stream.next(2)
        let cursor = beat["cursor"]?.string ?? ""
        let rest = try lines(apiary, "program=e&since=\(cursor)")
        #expect(rest.compactMap { $0.at("/data/number")?.int } == [2, 3])
    }

    @Test func `a program that does not count tells no loss`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.curl("PUT /v1/programs/u?attach=auto", file: "undeclared.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/a?attach=auto", file: "anchor.bpf.o").answers(201)
        try other.getpgid(2)
        #expect(
            try Machine.waits {
                try lines(apiary, "").filter { $0["kind"] == "event" }.count >= 4
            })
        let raw = try lines(apiary, "program=u").first { $0["kind"] == "event" }
        #expect(raw?["type"] == .null)
        #expect(raw?["data"]?.string?.hasPrefix("hex:") == true)
        let typed = try lines(apiary, "program=a").first { $0["kind"] == "event" }
        #expect(typed?["type"] == "tick")
        #expect(typed?.at("/data/pid")?.int != nil)
        let ledger = try apiary.curl("GET /v1/events/ledger?program=u").answers(200)
        #expect(ledger["/items/0/lost/kernel"] == .null)
        #expect(ledger["/items/0/produced"] == .null)
    }

    @Test func `the load option names the type of undeclared records`() throws {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/a", file: "anchor.bpf.o").answers(201)
        let digest = kept["/digest"]?.string ?? ""
        let other = try Workload()
        try apiary.curl(
            "PUT /v1/programs/b",
            json: """
                {"object":{"digest":"\(digest)"},"attach":"auto",
                 "events":{"ticks":{"type":"state"}}}
                """
        ).answers(201)
        try other.getpgid(1)
        #expect(
            try Machine.waits {
                try lines(apiary, "program=b&records=invalid").contains { $0["kind"] == "invalid" }
                    || lines(apiary, "program=b").contains { $0["kind"] == "event" }
            })
        try apiary.curl(
            "PUT /v1/programs/c",
            json: #"{"object":{"digest":"\#(digest)"},"events":{"ticks":{"type":"tock"}}}"#
        ).answers(400, problem: .invalidMember)
        try apiary.curl("GET /v1/programs/c").answers(404, problem: .notFound)
    }

    @Test func `execsnoop tells of every command`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/execsnoop?attach=auto", file: "execsnoop.bpf.o")
            .answers(201)
        let stream = try apiary.stream("GET /v1/events?program=execsnoop")
        _ = try stream.next(kind: "hello")
        let word = "apiary-\(UInt32.random(in: 1...UInt32.max))"
        try Machine.run("/bin/echo", word, "two words", "ä")
        var found: JSONValue?
        try stream.lines { line in
            let args = line.at("/data/args")?.string ?? ""
            // env(1) goes first, and looks for the command in PATH.
            guard args.hasPrefix("/bin/echo \(word)") else { return false }
            found = line
            return true
        }
        #expect(found?.at("/data/filename") == "/bin/echo")
        #expect(found?.at("/data/args")?.string == "/bin/echo \(word) two words ä")
        #expect(found?.at("/data/comm") == "echo")
        #expect(found?.at("/data/ret") == 0)
        #expect(found?.at("/data/uid") == 0)
        try Machine.run("sh", "-c", "/absent-\(word) 2>/dev/null; true")
        try stream.lines { line in
            line.at("/data/filename")?.string == "/absent-\(word)" && line.at("/data/ret") == -2
        }
    }
}
