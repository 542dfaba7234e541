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
    enum Content {
        case record([UInt8])
        /// `CPU:1 [LOST 234 EVENTS]`
        case lost(UInt64)
        case nothing
    }

    /// Reads `          cat-1234    [001] d..31  5678.901234: bpf_trace_printk: text`.
    static func parse(_ line: ArraySlice<UInt8>) -> Content {
        let text = String(decoding: line, as: UTF8.self)
        if let start = text.range(of: "[LOST "), text.hasPrefix("CPU:") {
            return UInt64(text[start.upperBound...].prefix { $0.isNumber }).map { .lost($0) }
                ?? .nothing
        }
        guard let marked = text.range(of: "bpf_trace_printk: ") else { return .nothing }
        let head = text[..<marked.lowerBound]
        guard let bracket = head.range(of: " [", isLast: true) else { return .nothing }
        let task = head[..<bracket.lowerBound].drop { $0 == " " }
        let fields = head[bracket.upperBound...].split(separator: " ")
        guard let dash = task.lastIndex(of: "-"),
            let cpu = fields.first.flatMap({
                UInt32($0.dropLast())
            }), let time = fields.last
        else { return .nothing }
        let pid = task[task.index(after: dash)...].prefix { $0.isNumber }
        var record: [UInt8] = []
        append(nanoseconds(time), 8, &record)
        append(UInt64(pid) ?? 0, 4, &record)
        append(UInt64(cpu), 4, &record)
        let comm = Array(task[..<dash].utf8.prefix(commBytes - 1))
        record += comm + [UInt8](repeating: 0, count: commBytes - comm.count)
        record += text[marked.upperBound...].utf8
        return .record(record)
    }

    private static func append(_ number: UInt64, _ width: Int, _ record: inout [UInt8]) {
        for index in 0..<width { record.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
    }

    /// `5678.901234:`
    private static func nanoseconds(_ text: Substring) -> UInt64 {
        let parts = text.split { $0 == "." || $0 == ":" }
        guard parts.count == 2, let seconds = UInt64(parts[0]), let rest = UInt64(parts[1]) else {
            return 0
        }
        var unit: UInt64 = 1_000_000_000
        for _ in 0..<min(parts[1].utf8.count, 9) { unit /= 10 }
        return seconds &* 1_000_000_000 &+ rest &* unit
    }
}

extension StringProtocol {
    /// The first place of a text, or the last.
    fileprivate func range(of wanted: String, isLast: Bool = false) -> Range<Index>? {
        var found: Range<Index>?
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(wanted) {
                let end = index(start, offsetBy: wanted.count)
                if !isLast { return start..<end }
                found = start..<end
            }
            start = index(after: start)
        }
        return found
    }
}
