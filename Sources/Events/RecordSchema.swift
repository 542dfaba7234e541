internal import BTF

/// What the records of a stream may be: one type, or several that a member tells apart.
public struct RecordSchema: Sendable {
    /// Why types cannot be told apart; a clause.
    public struct Failure: Error, Sendable {
        public let reason: String
    }

    /// At least one; a record's entry says which.
    public let types: [RecordType]
    public let rules: ValidationRules
    /// Tells the types of a journal's segments apart, also after a restart.
    let fingerprint: UInt64
    let check: RecordCheck
    /// The member by which a record's type is found, and the type for each of its values.
    let tag: Tag?

    struct Tag: Sendable {
        let field: IntegerField
        let name: String
        /// By value; `types` has them by index.
        let values: [(value: UInt64, type: Int)]
    }

    /// Records of one type.
    public init(_ type: RecordType, rules: ValidationRules = ValidationRules()) {
        types = [type]
        self.rules = rules
        tag = nil
        fingerprint = type.fingerprint
        check = RecordCheck([type], nil, rules)
    }

    /// Records of several types, by the value of an integer or enum member that is at the same
    /// place in all of them.
    /// - Parameter cases: for each value the type; the value as a number, or as the enum names it.
    /// - Throws: a case whose value is not one of the member's, or a type without the member.
    public init(
        by member: String, _ cases: [(value: String, type: RecordType)],
        rules: ValidationRules = ValidationRules()
    ) throws(Failure) {
        guard let first = cases.first, cases.count < RecordCheck.unknownType else {
            throw Failure(reason: "there is no type for any value of \(member)")
        }
        var types: [RecordType] = []
        var values: [(value: UInt64, type: Int)] = []
        var field: IntegerField?
        for (text, type) in cases {
            guard let found = type.plan.member(at: member), let place = IntegerField(found) else {
                throw Failure(reason: "struct \(type.name) has no integer member \(member)")
            }
            if let field, field != place {
                throw Failure(
                    reason: "\(member) is not at the same place in struct \(type.name) and struct "
                        + first.type.name)
            }
            field = place
            guard let number = Self.number(text, found, place, type.plan) else {
                throw Failure(reason: "\(text) is no value of \(member), a \(found.typeName)")
            }
            let bits = UInt64(truncatingIfNeeded: number)
            if values.contains(where: { $0.value == bits }) {
                throw Failure(reason: "\(member) \(text) stands for two types")
            }
            let index = types.firstIndex { $0.fingerprint == type.fingerprint } ?? types.count
            if index == types.count { types.append(type) }
            values.append((bits, index))
        }
        guard let field else { throw Failure(reason: "there is no member \(member)") }
        let tag = Tag(field: field, name: member, values: values)
        var hash = Hash64()
        hash.add(member.utf8)
        for (value, type) in values {
            hash.add(Int(truncatingIfNeeded: value))
            hash.add(Int(truncatingIfNeeded: types[type].fingerprint))
        }
        self.types = types
        self.rules = rules
        self.tag = tag
        fingerprint = max(hash.value, 1)
        check = RecordCheck(types, tag, rules)
    }

    private static func number(
        _ text: String, _ member: ValuePlan.Member, _ place: IntegerField, _ plan: ValuePlan
    ) -> Int128? {
        if let named = plan.number(of: text, in: member) { return named }
        let isHex = text.hasPrefix("0x")
        let number = isHex ? Int128(text.dropFirst(2), radix: 16) : Int128(text)
        guard let number, place.holds(number) else { return nil }
        return number
    }

    /// The type that an entry's flags name; `nil` where its tag is unknown.
    func type(of entry: EntryHeader) -> RecordType? {
        let index = entry.typeIndex
        return index < types.count ? types[index] : nil
    }
}
