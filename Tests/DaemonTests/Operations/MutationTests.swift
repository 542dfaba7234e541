import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Objects with broken bytes, put through the API: each is loaded or refused with a clear problem,
/// and leaves nothing behind. `APIARY_MUTATIONS` says how many, 2,000 without it; `make fuzz` runs
/// 100,000.
@Suite(.requiresRoot) struct MutationTests {
    private static let objects = [
        "counter", "counts", "events", "globals", "maps", "rawtracepoint", "ring", "tpbtf",
        "undeclared", "uprobe",
    ]

    private static var count: Int {
        ProcessInfo.processInfo.environment["APIARY_MUTATIONS"].flatMap { Int($0) } ?? 2000
    }

    @Test func `broken objects are refused, and nothing stays of them`() throws {
        let apiary = try TestDaemon(arguments: [
            "--log-level", "error", "--set", "loads_per_minute=1000000",
        ])
        let sources = try Self.objects.map {
            try FileSystem.read(Repository.object("\($0).bpf.o"))
        }
        #expect(try apiary.isAtRest)
        let before = try Traces(apiary)
        // Fixed: a failure can be had again.
        var noise = Noise(seed: 2026)
        var statuses: [Int: Int] = [:]
        var done = 0
        // One curl for many uploads: a process for each would be most of the time.
        while done < Self.count {
            let batch = min(20, Self.count - done)
            var config = ""
            for index in 0..<batch {
                let file = "\(apiary.directory)/m\(index)"
                let bytes = noise.mutation(of: sources[(done + index) % sources.count])
                try FileSystem.replace(file, with: bytes.span)
                config += """
                    \(index == 0 ? "" : "next\n")url = "http://localhost/v1/programs/m?dry_run=true"
                    upload-file = "\(file)"
                    output = "\(file).answer"
                    unix-socket = "\(apiary.socket)"
                    write-out = "\(index) %{http_code}\\n"
                    silent
                    max-time = 90

                    """
            }
            try FileSystem.replace(apiary.directory + "/curl.config", with: Array(config.utf8).span)
            let said = try Machine.run(
                "curl", "--no-progress-meter", "--parallel", "--parallel-max", "3", "-K",
                apiary.directory + "/curl.config")
            for line in said.split(separator: "\n") {
                let words = line.split(separator: " ")
                let (index, status) = (Int(words[0]) ?? 0, Int(words.last ?? "") ?? 0)
                statuses[status, default: 0] += 1
                guard status != 200 else { continue }
                let answer = FileSystem.text("\(apiary.directory)/m\(index).answer") ?? ""
                let problem = try JSONValue.parse(answer)
                #expect([422, 501].contains(status), "mutation \(done + index): \(answer)")
                #expect(problem["detail"]?.string?.isEmpty == false)
            }
            done += batch
            try #require(apiary.processIdentifier != nil, "the daemon died: \(apiary.log)")
        }
        #expect(statuses.values.reduce(0, +) == Self.count)
        #expect((statuses[422] ?? 0) > Self.count / 10, "\(statuses)")
        print("MutationTests: \(statuses.sorted { $0.key < $1.key })")
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
        try apiary.curl("DELETE /v1/programs/x").answers(204)
        // The last answers' descriptors are closed a moment after them.
        _ = try Machine.waits(seconds: 30) { try !Traces(apiary).isMore(than: before) }
        let after = try Traces(apiary)
        #expect(!after.isMore(than: before), "\(before) became \(after)")
    }
}

/// What of a load could stay.
private struct Traces {
    let pins: [String]
    let descriptors: Int
    let children: Int
    let threads: Int

    init(_ apiary: TestDaemon) throws {
        let id = apiary.processIdentifier ?? 0
        pins = try apiary.pins
        descriptors = try FileSystem.list("/proc/\(id)/fd").count
        children = try apiary.children.count
        threads = try FileSystem.list("/proc/\(id)/task").count
    }

    /// A connection of the start may have been open at the first look, so less is fine.
    func isMore(than before: Traces) -> Bool {
        pins != before.pins || descriptors > before.descriptors || children > before.children
            || threads > before.threads
    }
}

/// A generator whose numbers are the same in every run (splitmix64).
private struct Noise {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) % UInt64(bound))
    }

    /// Bytes changed, cut out, doubled or zeroed; often in the headers, where it hurts.
    mutating func mutation(of bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...next(below: 4) {
            let isHead = next(below: 3) == 0
            let place = next(below: isHead ? min(64, bytes.count) : bytes.count)
            switch next(below: 8) {
            case 0...2: bytes[place] = UInt8(truncatingIfNeeded: next(below: 256))
            case 3: bytes[place] ^= 1 << UInt8(next(below: 8))
            case 4:
                let extremes: [UInt8] = [0, 1, 0x7f, 0x80, 0xff]
                let value = extremes[next(below: extremes.count)]
                for index in place..<min(bytes.count, place + 1 << next(below: 4)) {
                    bytes[index] = value
                }
            case 5: bytes.removeLast(min(bytes.count - 1, next(below: bytes.count) / 4))
            case 6:
                // The section headers stand at the end.
                let tail = bytes.count - 1 - next(below: min(bytes.count, 2048))
                bytes[tail] = UInt8(truncatingIfNeeded: next(below: 256))
            default:
                let count = min(next(below: 64), bytes.count - place)
                let other = next(below: bytes.count - count)
                for index in 0..<count { bytes[place + index] = bytes[other + index] }
            }
        }
        return bytes
    }
}
