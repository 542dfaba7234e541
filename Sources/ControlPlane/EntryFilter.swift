internal import BTF
internal import JSON
internal import Problems

/// Which entries are wanted: `?where=member==value` and `?prefix=`.
struct EntryFilter: Sendable {
    enum Comparison: String, CaseIterable {
        case equal = "==", unequal = "!=", atMost = "<=", atLeast = ">=", below = "<", above = ">"
    }

    private enum Operand: Sendable {
        case number(ValuePlan.Member, Int128)
        case float(ValuePlan.Member, Double)
        case bytes(Range<Int>, [UInt8])
    }

    private struct Condition: Sendable {
        let isOfKey: Bool
        let operand: Operand
        let comparison: Comparison
    }

    private let map: LoadedMap
    private var conditions: [Condition] = []
    private var prefix: [UInt8] = []

    var isEmpty: Bool { conditions.isEmpty && prefix.isEmpty }

    /// - Throws: `invalid_parameter`, which names the condition.
    init(_ map: LoadedMap, where texts: [String], prefix: String?) throws(Problem) {
        self.map = map
        for text in texts { conditions.append(try condition(text)) }
        guard let prefix else { return }
        if prefix.hasPrefix("hex:") {
            guard let bytes = Hex.decode(prefix.dropFirst(4)) else {
                throw Problem(.invalidParameter, "prefix=\(prefix) is not hex text.")
            }
            self.prefix = bytes
        } else {
            guard map.keyPlan.whole.kind == .text || map.keyPlan.members.first?.kind == .text else {
                throw Problem(
                    .invalidParameter,
                    "prefix=\(prefix) wants keys that are text; those of \(map.name) are "
                        + "\(map.keyPlan.typeName): give the first bytes, prefix=hex:….")
            }
            self.prefix = Array(prefix.utf8)
        }
        guard self.prefix.count <= map.map.info.keySize else {
            throw Problem(
                .invalidParameter,
                "prefix= has \(self.prefix.count) bytes, the keys of \(map.name) have "
                    + "\(map.map.info.keySize).")
        }
    }

    private func condition(_ text: String) throws(Problem) -> Condition {
        let bytes = Array(text.utf8)
        let found = bytes.firstIndex { "=!<>".utf8.contains($0) }
        // Of two signs at one place the longer one is meant: they come first in the list.
        guard let found,
            let comparison = Comparison.allCases.first(where: {
                bytes[found...].starts(with: $0.rawValue.utf8)
            })
        else {
            throw Problem(
                .invalidParameter,
                "where=\(text) is not a condition: member, one of == != < <= > >=, and a value.")
        }
        let path = String(decoding: bytes[..<found], as: UTF8.self)
        let literal = String(
            decoding: bytes[(found + comparison.rawValue.utf8.count)...], as: UTF8.self)
        let value: JSONValue
        // What is no JSON is text without its quotes.
        do { value = try JSONValue.parse(literal) } catch { value = .string(literal) }
        let (isOfKey, member, plan) = try member(path, text)
        let given: [UInt8]
        do { given = try plan.encode(value, as: member) } catch {
            throw Problem(.invalidParameter, "where=\(text): \(error.reason).")
        }
        if let number = plan.integer(member, in: given.span) {
            return Condition(
                isOfKey: isOfKey, operand: .number(member, number), comparison: comparison)
        }
        if let number = plan.float(member, in: given.span) {
            return Condition(
                isOfKey: isOfKey, operand: .float(member, number), comparison: comparison)
        }
        guard comparison == .equal || comparison == .unequal else {
            throw Problem(
                .invalidParameter,
                "where=\(text) compares a \(member.typeName), which has only == and !=.")
        }
        let range = member.offset..<member.offset + member.size
        return Condition(
            isOfKey: isOfKey, operand: .bytes(range, Array(given[range])), comparison: comparison)
    }

    /// `key`, `value`, `key.member`, `value.member`, or a member of the value, else of the key; a
    /// member of a member as `last.ports.0`.
    private func member(_ path: String, _ text: String) throws(Problem)
        -> (isOfKey: Bool, ValuePlan.Member, ValuePlan)
    {
        if path == "key" { return (true, map.keyPlan.whole, map.keyPlan) }
        if path == "value" { return (false, map.valuePlan.whole, map.valuePlan) }
        let isNamed = path.hasPrefix("key.") || path.hasPrefix("value.")
        let name = isNamed ? String(path.drop { $0 != "." }.dropFirst()) : path
        // A member of the value may itself be named `key`.
        if isNamed, let member = map.valuePlan.member(at: path) {
            return (false, member, map.valuePlan)
        }
        if !path.hasPrefix("key."), let member = map.valuePlan.member(at: name) {
            return (false, member, map.valuePlan)
        }
        if !path.hasPrefix("value."), let member = map.keyPlan.member(at: name) {
            return (true, member, map.keyPlan)
        }
        let known = (map.valuePlan.members + map.keyPlan.members).map(\.name)
        throw Problem(
            .invalidParameter,
            "where=\(text): entries of \(map.name) have no member \"\(path)\".",
            hint: "There are key, value" + known.prefix(20).map { ", " + $0 }.joined() + ".")
    }

    /// - Parameter value: of per-CPU maps, of any CPU: one that fits is enough.
    func matches(key: Span<UInt8>, value: Span<UInt8>, stride: Int, cpus: Int) -> Bool {
        for index in prefix.indices where key[index] != prefix[index] { return false }
        for condition in conditions {
            if condition.isOfKey {
                if !holds(condition, map.keyPlan, key) { return false }
                continue
            }
            var isMet = false
            for cpu in 0..<cpus where !isMet {
                let start = cpu * stride
                let one = value.extracting(start..<start + map.map.info.valueSize)
                isMet = holds(condition, map.valuePlan, one)
            }
            if !isMet { return false }
        }
        return true
    }

    private func holds(_ condition: Condition, _ plan: ValuePlan, _ bytes: Span<UInt8>) -> Bool {
        switch condition.operand {
        case .number(let member, let wanted):
            return compare(plan.integer(member, in: bytes) ?? .max, wanted, condition.comparison)
        case .float(let member, let wanted):
            return compare(plan.float(member, in: bytes) ?? 0, wanted, condition.comparison)
        case .bytes(let range, let wanted):
            var isEqual = true
            for index in range where bytes[index] != wanted[index - range.lowerBound] {
                isEqual = false
            }
            return isEqual == (condition.comparison == .equal)
        }
    }

    private func compare<Number: Comparable>(
        _ value: Number, _ wanted: Number, _ comparison: Comparison
    ) -> Bool {
        switch comparison {
        case .equal: value == wanted
        case .unequal: value != wanted
        case .atMost: value <= wanted
        case .atLeast: value >= wanted
        case .below: value < wanted
        case .above: value > wanted
        }
    }
}
