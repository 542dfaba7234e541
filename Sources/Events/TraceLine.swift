internal import BTF

/// What a line of trace_pipe becomes: a record of a struct of our own, so that filters, fields and
/// all formats know it like any other.
///
/// ```
/// struct trace_line { u64 ktime_ns; u32 pid; u32 cpu; char comm[16]; char text[]; };
/// ```
enum TraceLine {
    private static let commBytes = 16

    /// `nil` where the types cannot be made, which would be a mistake of this file.
    static func schema() -> RecordSchema? {
        var rules = ValidationRules()
        // The idle task has it.
        rules.pid = .off
        do {
            let types = try BTFTypes(parsing: typeBytes)
            guard let id = types.find("trace_line", .structure) else { return nil }
            let type = RecordType(
                name: "trace_line", plan: try ValuePlan(types, type: id), types: types, typeID: id)
            return RecordSchema(type, rules: rules)
        } catch {
            return nil
        }
    }

    /// linux/btf.h by hand: int, u64, char, two arrays of it, the struct.
    private static var typeBytes: [UInt8] {
        let names = ["u32", "u64", "char", "trace_line", "ktime_ns", "pid", "cpu", "comm", "text"]
        var strings: [UInt8] = [0]
        var places: [String: UInt32] = [:]
        for name in names {
            places[name] = UInt32(strings.count)
            strings += Array(name.utf8) + [0]
        }
        func place(_ name: String) -> UInt32 { places[name] ?? 0 }
        let (int, array, structure): (UInt32, UInt32, UInt32) = (1 << 24, 3 << 24, 4 << 24)
        let words: [UInt32] = [
            place("u32"), int, 4, 32, place("u64"), int, 8, 64, place("char"), int, 1, 1 << 24 | 8,
            0, array, 0, 3, 1, 16, 0, array, 0, 3, 1, 0,
            place("trace_line"), structure | 5, 32, place("ktime_ns"), 2, 0, place("pid"), 1, 64,
            place("cpu"), 1, 96, place("comm"), 4, 128, place("text"), 5, 256,
        ]
        let header: [UInt32] = [
            0x0001_EB9F, 24, 0, UInt32(4 * words.count), UInt32(4 * words.count),
            UInt32(strings.count),
        ]
        return (header + words).flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        } + strings
    }

    /// What a line of the text says.
    enum Content: Equatable {
        case record([UInt8])
        /// `CPU:1 [LOST 234 EVENTS]`
        case lost(UInt64)
        /// No program's first line: what was printed had a newline in it, or ended in one.
        case more
    }

    private static let marker = Array("bpf_trace_printk: ".utf8)
    private static let lossMarker = Array(" [LOST ".utf8)
    private static let bracket = Array(" [".utf8)

    /// Reads `          cat-1234    [001] d..31  5678.901234: bpf_trace_printk: text`. What is
    /// printed need not be UTF-8: bytes stay as they are.
    static func parse(_ line: ArraySlice<UInt8>) -> Content {
        if line.starts(with: "CPU:".utf8), let loss = find(lossMarker, in: line) {
            let digits = line[(loss + lossMarker.count)...].prefix(while: isDigit)
            if let count = number(digits) { return .lost(count) }
        }
        guard let marked = find(marker, in: line) else { return .more }
        let head = line[..<marked]
        guard let bracket = findLast(Self.bracket, in: head) else { return .more }
        let task = head[..<bracket].drop { $0 == UInt8(ascii: " ") }
        let fields = head[(bracket + 2)...].split(separator: UInt8(ascii: " "))
        guard let dash = task.lastIndex(of: UInt8(ascii: "-")), let first = fields.first,
            let cpu = number(first.dropLast()), let time = fields.last
        else { return .more }
        let pid = task[(dash + 1)...].prefix(while: isDigit)
        var record: [UInt8] = []
        append(nanoseconds(time), 8, &record)
        append(number(pid) ?? 0, 4, &record)
        append(cpu, 4, &record)
        let comm = task[..<dash].prefix(commBytes - 1)
        record += comm
        record += [UInt8](repeating: 0, count: commBytes - comm.count)
        record += line[(marked + marker.count)...]
        return .record(record)
    }

    /// Adds a line of `.more` to the record that it belongs to.
    static func add(_ line: ArraySlice<UInt8>, to record: inout [UInt8]) {
        record.append(10)
        record += line
    }

    /// The newline that a program printed at the end is none of its text.
    static func trim(_ record: inout [UInt8]) {
        let head = 8 + 4 + 4 + commBytes
        while record.count > head, record.last == 10 { record.removeLast() }
    }

    private static func append(_ number: UInt64, _ width: Int, _ record: inout [UInt8]) {
        for index in 0..<width { record.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
    }

    /// `5678.901234:`
    private static func nanoseconds(_ text: ArraySlice<UInt8>) -> UInt64 {
        let parts = text.split { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }
        guard parts.count == 2, let seconds = number(parts[0]), let rest = number(parts[1]) else {
            return 0
        }
        var unit: UInt64 = 1_000_000_000
        for _ in 0..<min(parts[1].count, 9) { unit /= 10 }
        return seconds &* 1_000_000_000 &+ rest &* unit
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        UInt64(String(decoding: digits, as: UTF8.self))
    }

    private static func find(_ wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        var start = bytes.startIndex
        while let place = bytes[start...].firstIndex(of: wanted[0]) {
            if bytes[place...].starts(with: wanted) { return place }
            start = place + 1
        }
        return nil
    }

    private static func findLast(_ wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        var end = bytes.endIndex
        while let place = bytes[..<end].lastIndex(of: wanted[0]) {
            if bytes[place...].starts(with: wanted) { return place }
            end = place
        }
        return nil
    }
}
