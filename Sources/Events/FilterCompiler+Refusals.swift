internal import BTF

extension FilterCompiler {
    /// The path of a member that is not there: told of the first of its steps that leads nowhere.
    func unknown(_ path: String, _ position: Int, in type: RecordType) -> FilterError {
        var parent = path[...]
        while let end = parent.lastIndex(where: { $0 == "." || $0 == "[" }) {
            parent = parent[..<end]
            guard let member = type.plan.member(at: String(parent)) else { continue }
            return FilterError(
                reason: "\(parent) is a \(member.typeName) and has no "
                    + "\(path[parent.endIndex...].drop { $0 == "." })"
                    + (parts(member, type).map { ": there is \($0)" } ?? ""),
                position: position, isUnknownMember: true)
        }
        let names = type.plan.members.prefix(Self.mostNames).map(\.name).joined(separator: ", ")
        return FilterError(
            reason: "struct \(type.name) has no member \(path): " + names, position: position,
            isUnknownMember: true)
    }

    /// A struct, an array or the kernel's own, where a single value is wanted.
    func incomparable(_ member: ValuePlan.Member, _ position: Int, in type: RecordType)
        -> FilterError
    {
        let advice =
            parts(member, type).map { "is not a single value: compare \($0)" }
            ?? "cannot be compared"
        return FilterError(
            reason: "\(member.name), a \(member.typeName), " + advice, position: position)
    }

    /// A word that is neither a member nor a name of the enum that it is compared with.
    func noOperand(
        _ word: String, _ member: ValuePlan.Member, _ position: Int, in type: RecordType
    ) -> FilterError {
        if word.contains(where: { $0 == "." || $0 == "[" }) {
            return unknown(word, position, in: type)
        }
        let reason =
            member.kind == .enumeration
            ? "\(word) is neither a name of \(member.typeName) nor a member"
            : "\(word) is no member of struct \(type.name), and text stands in quotes"
        return FilterError(reason: reason, position: position)
    }

    /// What of a member can be compared: `place.cpu, place.numbers`, `numbers[0] to numbers[2]`.
    private func parts(_ member: ValuePlan.Member, _ type: RecordType) -> String? {
        let members = type.plan.members(of: member)
        if !members.isEmpty {
            return members.prefix(Self.mostNames).map(\.name).joined(separator: ", ")
        }
        guard let count = type.plan.elementCount(of: member), count > 0 else { return nil }
        return "\(member.name)[0]" + (count > 1 ? " to \(member.name)[\(count - 1)]" : "")
    }

    private static var mostNames: Int { 20 }
}

extension ValuePlan.Member {
    /// Whether a filter compares it with a value.
    var isComparable: Bool {
        switch kind {
        case .array, .structure, .kernel, .histogram: false
        default: true
        }
    }
}
