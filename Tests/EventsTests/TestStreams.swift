import BTF
import JSON
import Linux
import Synchronization
import Testing

@testable import Events

/// A private directory under /tmp, removed in the end.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/events-tests-\(UInt64.random(in: 0...UInt64.max))"
        try FileSystem.makeDirectory(path)
    }

    deinit { try? FileSystem.removeTree(path) }

    /// A journal's files as they lie there at this moment, as after `kill -9`.
    func copy(_ journal: String, to other: String) throws {
        let path = path + "/" + journal
        try FileSystem.makeDirectory(other)
        for name in try FileSystem.list(path) {
            let (from, to) = (path + "/" + name, other + "/" + name)
            if FileSystem.kind(from) == .directory {
                try FileSystem.makeDirectory(to)
                for file in try FileSystem.list(from) {
                    let bytes = try FileSystem.read(from + "/" + file)
                    try FileSystem.replace(to + "/" + file, with: bytes.span)
                }
            } else {
                let bytes = try FileSystem.read(from)
                try FileSystem.replace(to, with: bytes.span)
            }
        }
    }
}

/// A line as a client sees it.
struct Line {
    let json: JSONObject

    var kind: String { json["kind"]?.string ?? "" }
    var cursor: String { json["cursor"]?.string ?? "" }
    var sequence: UInt64 { json["seq"]?.uint64 ?? 0 }
    var lost: UInt64 { json["lost"]?.uint64 ?? 0 }
    var place: String { json["where"]?.string ?? "" }
    var reason: String { json["reason"]?.string ?? "" }
    /// The number that `MemoryRing.put` was given, read from the data in hex.
    var number: UInt64 {
        guard let text = json["data"]?.string, text.hasPrefix("hex:"), text.utf8.count >= 20
        else { return .max }
        let digits = Array(text.utf8.dropFirst(4))
        var number: UInt64 = 0
        for index in (0..<8).reversed() {
            let byte = String(decoding: digits[2 * index..<2 * index + 2], as: UTF8.self)
            number = number << 8 | (UInt64(byte, radix: 16) ?? 0)
        }
        return number
    }
}

/// A client of one subscription.
final class Client {
    let subscription: Subscription
    private let woken: Wakeup
    private let poller: Poller
    private let bufferBytes: Int
    private(set) var text: [UInt8] = []
    private var parsed = 0
    private(set) var isEnded = false
    var wakes = 0

    init(_ subscription: Subscription, bufferBytes: Int = 32 << 10) throws {
        self.subscription = subscription
        self.bufferBytes = bufferBytes
        woken = try Wakeup()
        poller = try Poller()
        try poller.add(woken.raw, tag: 1)
    }

    deinit { subscription.close() }

    /// One call of `read`.
    func step() -> Subscription.Step {
        var step = Subscription.Step.end
        let woken = woken
        let piece = unsafe [UInt8](unsafeUninitializedCapacity: bufferBytes) { buffer, count in
            var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            step = subscription.read(into: &output) { woken.signal() }
            count = unsafe output.finalize(for: buffer)
        }
        text += piece
        if step == .end { isEnded = true }
        return step
    }

    /// Reads until `count` more lines are there, the end, or nothing came for ten seconds.
    func lines(_ count: Int = .max) throws -> [Line] {
        var lines: [Line] = []
        while lines.count < count {
            if let line = try nextLine() {
                lines.append(line)
                continue
            }
            if isEnded {
                // Who asks for so many takes them by their number.
                try #require(count == .max, "ended after \(lines.count) of \(count) lines")
                break
            }
            if step() == .wait {
                try #require(try !poller.wait(timeoutMilliseconds: 10_000).isEmpty, "never woken")
                woken.clear()
                wakes += 1
            }
        }
        return lines
    }

    /// Reads what is there now.
    func available() throws -> [Line] {
        while !isEnded, step() == .more {}
        return try parsedLines()
    }

    /// Those of the lines so far that were not given yet.
    func parsedLines() throws -> [Line] {
        var lines: [Line] = []
        while let line = try nextLine() { lines.append(line) }
        return lines
    }

    private func nextLine() throws -> Line? {
        guard let end = text[parsed...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let value = try JSONValue.parse(Array(text[parsed..<end]).span)
        parsed = end + 1
        return Line(json: try #require(value.object))
    }
}

extension EventStreams {
    func client(bufferBytes: Int = 32 << 10, _ change: (inout StreamQuery) -> Void = { _ in })
        throws -> Client
    {
        var query = StreamQuery()
        query.since = .oldest
        change(&query)
        return try Client(subscribe(query), bufferBytes: bufferBytes)
    }

    /// Waits until the pump took everything: a reader is told of the last record.
    func settle(_ key: StreamKey, _ next: UInt64) throws {
        let client = try client {
            $0.program = key.program
            $0.map = key.map
        }
        while ledger().first(where: { $0.key == key })?.nextSequence ?? 0 < next {
            _ = try client.lines(1)
        }
    }
}

extension RecordType {
    /// Records of `size` bytes without BTF.
    static func untyped(_ size: Int, name: String = "event") throws -> RecordType {
        // struct btf_header: magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
        let none: [UInt8] =
            [0x9f, 0xeb, 1, 0, 24, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0]
            + [0, 0, 0, 0, 1, 0, 0, 0] + [0]
        return RecordType(
            name: name, plan: ValuePlan(untyped: size), types: try BTFTypes(parsing: none),
            typeID: 0)
    }
}

let opens = StreamKey(program: "opens", map: "events")
let execs = StreamKey(program: "execs", map: "events")
