internal import BTF

/// The rules of a schema, made ready to be run on each record while it is copied: no allocation,
/// no lock, nothing but loads and compares.
final class RecordCheck: Sendable {
    /// In an entry's flags: the tag is not one that is declared.
    static let unknownType = 0xFFFF

    private struct Rules: Sendable {
        let size: Int
        /// Of a type without a flexible array: what a perf ring's padding is cut to.
        let fixedSize: Int?
        let pid: IntegerField?
        let time: IntegerField?
        let checksTime: Bool
    }

    private let types: [Rules]
    /// Of most schemas the only ones.
    private let first: Rules
    private let tag: RecordSchema.Tag?
    private let checksSize: Bool
    private let checksTag: Bool
    /// Nothing to look at but the length.
    let isPlain: Bool
    let plainSize: Int

    init(_ types: [RecordType], _ tag: RecordSchema.Tag?, _ rules: ValidationRules) {
        let all = types.map { type in
            Rules(
                size: type.plan.leastSize,
                fixedSize: type.plan.isFlexible ? nil : type.plan.size,
                pid: Self.field(rules.pid, ["pid"], type.plan), time: Self.time(rules.time, type),
                checksTime: rules.time != .off)
        }
        self.types = all
        first = all[0]
        self.tag = tag
        checksSize = rules.size
        checksTag = rules.tag
        isPlain =
            tag == nil && rules.size && first.pid == nil && first.time == nil
        plainSize = first.size
    }

    private static func field(
        _ rule: ValidationRules.MemberRule, _ usual: [String], _ plan: ValuePlan
    ) -> IntegerField? {
        switch rule {
        case .off: return nil
        case .named(let name): return plan.member(at: name).flatMap(IntegerField.init)
        case .usual:
            for name in usual {
                if let member = plan.member(at: name), let field = IntegerField(member) {
                    return field
                }
            }
            return nil
        }
    }

    /// The time is read also where it is not checked: lines show it.
    private static func time(_ rule: ValidationRules.MemberRule, _ type: RecordType)
        -> IntegerField?
    {
        let names =
            if case .named(let name) = rule { [name] } else { ValidationRules.usualTimes }
        for name in names {
            guard let member = type.plan.member(at: name), member.size == 8, !member.isSigned,
                member.kind == .integer, member.bits == nil
            else { continue }
            return IntegerField(member)
        }
        return nil
    }

    /// What is told of a record: the flags of its entry and its wall time.
    struct Verdict {
        var flags: UInt32
        var nanoseconds: UInt64
        /// Bytes of it that are kept.
        var count: Int
        var isInvalid: Bool
    }

    /// - Parameters:
    ///   - isPadded: the source rounds lengths up to a multiple of eight.
    ///   - taken: wall time for records that declare none.
    @inline(__always)
    func verdict(
        _ record: UnsafeRawBufferPointer, isPadded: Bool, _ clock: WallClock, taken: UInt64
    ) -> Verdict {
        var verdict = Verdict(
            flags: 0, nanoseconds: taken, count: record.count, isInvalid: false)
        if isPlain && !isPadded {
            if record.count < plainSize { verdict.refuse(.size) }
            return verdict
        }
        unsafe examine(record, isPadded, clock, &verdict)
        return verdict
    }

    private func examine(
        _ record: UnsafeRawBufferPointer, _ isPadded: Bool, _ clock: WallClock,
        _ verdict: inout Verdict
    ) {
        guard let tag else {
            return unsafe examine(record, isPadded, clock, first, &verdict)
        }
        guard tag.field.end <= record.count, let base = record.baseAddress else {
            verdict.flags = UInt32(Self.unknownType) << EntryHeader.typeShift
            if checksSize { verdict.refuse(.size) }
            return
        }
        let value = unsafe tag.field.bits(base)
        guard let found = tag.values.first(where: { $0.value == value }) else {
            verdict.flags = UInt32(Self.unknownType) << EntryHeader.typeShift
            if checksTag { verdict.refuse(.tag) }
            return
        }
        verdict.flags = UInt32(found.type) << EntryHeader.typeShift
        unsafe examine(record, isPadded, clock, types[found.type], &verdict)
    }

    @inline(__always)
    private func examine(
        _ record: UnsafeRawBufferPointer, _ isPadded: Bool, _ clock: WallClock,
        _ rules: borrowing Rules, _ verdict: inout Verdict
    ) {
        if isPadded, let size = rules.fixedSize, record.count > size, record.count - size < 8 {
            verdict.count = size
        }
        guard record.count >= rules.size else {
            if checksSize { verdict.refuse(.size) }
            return
        }
        guard let base = record.baseAddress else { return }
        if let time = rules.time {
            let value = unsafe time.bits(base)
            if let wall = clock.wallNanoseconds(value) {
                verdict.nanoseconds = wall
            } else if rules.checksTime {
                verdict.refuse(.time)
            }
        }
        if let pid = rules.pid, unsafe pid.bits(base) == 0 { verdict.refuse(.pid) }
    }
}

extension RecordCheck.Verdict {
    fileprivate mutating func refuse(_ reason: InvalidReason) {
        isInvalid = true
        flags = (flags & (0xFFFF << EntryHeader.typeShift)) | EntryHeader.invalid(reason)
    }
}
