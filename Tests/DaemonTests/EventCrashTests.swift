import Foundation
import Glibc
import Linux
import TestSupport
import Testing

/// The daemon killed while records come: each is shown once, in order, and what is missing is told.
/// `APIARY_KILLS=200` is the long mode.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventCrashTests {
    private static var kills: Int {
        ProcessInfo.processInfo.environment["APIARY_KILLS"].flatMap { Int($0) } ?? 12
    }

    @Test func `kills under load lose no record, tear none and show none twice`() throws {
        let apiary = try TestDaemon()
        let producer = try Producer(calls: 5, pauseMilliseconds: 2)
        defer { producer.stop() }
        try apiary.load("e", "events.bpf.o", watching: producer.processIdentifier)
        var reader = Resumed(socket: apiary.socket)
        producer.start()
        for round in 0..<Self.kills {
            // While a client follows, while one asks, at once after the start: at any instant.
            let pause = UInt64.random(in: 0...40_000_000)
            if round % 3 == 0 {
                let stream = try apiary.stream("GET /v1/events?program=e&records=events&limit=1")
                Clock.sleep(nanoseconds: pause)
                apiary.kill9()
                stream.stop()
            } else {
                Clock.sleep(nanoseconds: pause)
                apiary.kill9()
            }
            try apiary.start()
            try reader.read()
            #expect(reader.faults == [], "after kill \(round)")
        }
        producer.stop()
        let isWhole = try Machine.waits(seconds: 30) {
            try reader.read()
            let row = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
            return row["/items/0/next_seq"]?.int == reader.lastSequence + 1
        }
        #expect(isWhole)
        #expect(reader.faults == [])
        #expect(reader.events > Self.kills, "nothing was produced")
        let row = try apiary.curl("GET /v1/events/ledger?program=e").answers(200)
        let (received, lost) = (row["/items/0/received"]?.int, row["/items/0/lost/kernel"]?.int)
        #expect(received == reader.lastNumber)
        #expect(lost == reader.lostInKernel)
        #expect(row["/items/0/produced"]?.int == (received ?? 0) + (lost ?? 0))
        print("\(Self.kills) kills, \(reader.events) events, \(reader.lostInKernel) told as lost")
    }

    /// A client that comes back with its cursor, and holds each line against the one before.
    private struct Resumed {
        let socket: String
        private(set) var cursor: String?
        private(set) var lastSequence = 0
        private(set) var lastNumber = 0
        private(set) var events = 0
        private(set) var lostInKernel = 0
        private(set) var faults: [String] = []

        init(socket: String) { self.socket = socket }

        mutating func read() throws {
            let since = cursor.map { "since=\($0)" } ?? "since=oldest"
            let text = try Machine.run(
                "curl", "-sS", "--max-time", "50", "--unix-socket", socket,
                "http://localhost/v1/events?program=e&follow=false&fields=number&\(since)")
            for line in text.split(separator: "\n") { note(line) }
        }

        private mutating func note(_ line: Substring) {
            if line.hasPrefix("{\"kind\":\"event\"") {
                let (sequence, number) = (Self.number("seq", line), Self.number("number", line))
                if number != lastNumber + 1 {
                    faults.append("number \(number) after \(lastNumber): \(line)")
                }
                if sequence <= lastSequence { faults.append("seq after \(lastSequence): \(line)") }
                events += 1
                lastNumber = number
                lastSequence = sequence
            } else if line.hasPrefix("{\"kind\":\"gap\"") {
                if !line.contains("\"where\":\"kernel\"") { faults.append(String(line)) }
                lostInKernel += Self.number("lost", line)
                lastSequence += Self.number("lost", line)
            }
            if let start = line.firstRange(of: "\"cursor\":\"") {
                cursor = String(line[start.upperBound...].prefix { $0 != "\"" })
            }
        }

        private static func number(_ name: String, _ line: Substring) -> Int {
            guard let start = line.firstRange(of: "\"\(name)\":") else { return -1 }
            return Int(line[start.upperBound...].prefix { $0.isNumber }) ?? -1
        }
    }
}
