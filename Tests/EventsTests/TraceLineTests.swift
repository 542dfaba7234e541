import Testing

@testable import Events

/// Lines of trace_pipe, as programs and the kernel write them.
struct TraceLineTests {
    private func text(_ line: [UInt8]) throws -> [UInt8] {
        guard case .record(let record) = TraceLine.parse(line[...]) else {
            throw Failure(line: line)
        }
        return Array(record.dropFirst(32))
    }

    private struct Failure: Error { let line: [UInt8] }

    private let head = Array(" a [b]-c-1234    [001] d..31  5678.901234: bpf_trace_printk: ".utf8)

    @Test func `bytes stay as they are, and names may have anything in them`() throws {
        let bytes: [UInt8] = [0xff, 0x41, 0xc3, 0x28]
        #expect(try text(head + bytes) == bytes)
        #expect(try text(head) == [])
        #expect(
            try text(head + Array("x: bpf_trace_printk: y".utf8))
                == Array("x: bpf_trace_printk: y".utf8))
        guard case .record(let record) = TraceLine.parse((head + bytes)[...]) else { return }
        #expect(record[0..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) } == 5_678_901_234_000)
        #expect(Array(record[8..<16]) == [0xd2, 4, 0, 0, 1, 0, 0, 0])
        #expect(Array(record[16..<24]) == Array("a [b]-c".utf8) + [0])
    }

    @Test func `what has no head belongs to the line before`() throws {
        for line in ["second", "", "-1 [x] bpf_trace_printk: z", "CPU:0 [LOST many]"] {
            #expect(TraceLine.parse(Array(line.utf8)[...]) == .more, "\(line)")
        }
        #expect(TraceLine.parse(Array("CPU:1 [LOST 234 EVENTS]".utf8)[...]) == .lost(234))
        guard case .record(var record) = TraceLine.parse((head + Array("one".utf8))[...]) else {
            throw Failure(line: head)
        }
        TraceLine.add(Array("".utf8)[...], to: &record)
        TraceLine.add(Array("two".utf8)[...], to: &record)
        TraceLine.add(Array("".utf8)[...], to: &record)
        TraceLine.trim(&record)
        #expect(Array(record.dropFirst(32)) == Array("one\n\ntwo".utf8))
        var empty = Array(record.prefix(32))
        empty[31] = 10
        TraceLine.trim(&empty)
        #expect(empty.count == 32)
    }
}
