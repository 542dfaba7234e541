import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// A damaged journal costs what was in it, and nothing else: the daemon starts, counts add up, and
/// new events are journaled.
@Suite(.requiresRoot) struct FaultJournalTests {
    @Test(.needs(.tracepoint)) func `a mutated journal does not keep the daemon from working`()
        throws
    {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
        try other.getpgid(200)
        #expect(try Machine.waits(seconds: 30) { try events(apiary).count >= 200 })
        apiary.kill9()
        let journal = apiary.runtimeDirectory + "/journal"
        let sound = apiary.directory + "/sound"
        try Machine.run("cp", "-a", journal, sound)
        var generator = Seeded(state: 0x1234_5678_9ABC_DEF1)
        let rounds = FaultRun.isLong ? 150 : 10
        var kept = 0
        for round in 0..<rounds {
            try Machine.run("sh", "-c", "rm -rf \(journal) && cp -a \(sound) \(journal)")
            let files = try Machine.run("find", journal, "-type", "f").split(separator: "\n")
            for file in files.map(String.init) where Bool.random(using: &generator) {
                try mutate(file, &generator)
            }
            try apiary.start()
            let before = try events(apiary).count
            kept += before > 0 ? 1 : 0
            try other.getpgid(1)
            #expect(
                try Machine.waits(seconds: 30) { try events(apiary).count > before },
                "round \(round): no new event")
            for stream in try apiary.curl("GET /v1/events/ledger")["/items"]?.array ?? [] {
                let invalid = stream["invalid"]?.object?.members.compactMap(\.value.int) ?? []
                let journaled = (stream["journaled"]?.int ?? 0) + invalid.reduce(0, +)
                #expect(stream["received"]?.int == journaled, "round \(round): \(stream.compact)")
            }
            #expect(apiary.processIdentifier != nil, "round \(round)")
            apiary.kill9()
        }
        try apiary.start()
        try apiary.isSound("after damaged journals")
        FaultReport.line(
            "a mutated journal", rounds, "starts, \(kept) with old events; counts add up, goes on")
    }

    private func events(_ apiary: TestDaemon) throws -> [JSONValue] {
        let answer = try apiary.curl("GET /v1/events?program=e&follow=false&since=oldest")
            .answers(200)
        let lines = try answer.lines
        #expect(lines.last?["kind"] == "end", "\(answer)")
        return lines.filter { $0["kind"] == "event" }
    }

    private func mutate(_ file: String, _ generator: inout Seeded) throws {
        var bytes = try FileSystem.read(file)
        guard !bytes.isEmpty else { return }
        func overwrite(_ count: Int, at place: Int) {
            for index in place..<max(place, min(place + count, bytes.count)) {
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
            }
        }
        let most = min(bytes.count, 60_000)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
        case 1:
            for _ in 0..<50 { overwrite(1, at: Int.random(in: 0..<most, using: &generator)) }
        case 2: overwrite(8, at: Int.random(in: 0..<min(256, most), using: &generator))
        // Where a segment says how far it is filled.
        case 3: overwrite(8, at: 192)
        default: overwrite(64, at: 256 + Int.random(in: 0..<3000, using: &generator))
        }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }
}
