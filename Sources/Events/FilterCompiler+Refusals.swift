internal import BTF

extension FilterCompiler {
    /// The member at a path, which stands at this byte of the filter.
    func member(_ path: String, _ position: Int) throws(FilterError) -> ValuePlan.Member {
        do { return try type.plan.find(path) } catch {
            throw FilterError(
                reason: error.reason, position: position, isUnknownMember: !error.isSpelling)
        }
    }

    /// A struct, an array or the kernel's own, where a single value is wanted.
    func incomparable(_ member: ValuePlan.Member, _ position: Int, in type: RecordType)
        -> FilterError
    {
        let advice =
            type.plan.parts(of: member).map { "is not a single value: compare \($0)" }
            ?? "cannot be compared"
        return FilterError(
            reason: "\(member.name), a \(member.typeName), " + advice, position: position)
    }

    /// A word that is neither a member nor a name of the enum that it is compared with.
    func noOperand(
        _ word: String, _ member: ValuePlan.Member, _ position: Int, in type: RecordType
    ) -> FilterError {
        if word.contains(where: { $0 == "." || $0 == "[" }) {
            do { _ = try self.member(word, position) } catch { return error }
        }
        let reason =
            member.kind == .enumeration
            ? "\(word) is neither a name of \(member.typeName) nor a member"
            : "\(word) is no member of struct \(type.name), and text stands in quotes"
        return FilterError(reason: reason, position: position)
    }
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
