internal import BTF
internal import JSON

/// How the records of one type look on a line: what is constant, and which members are shown.
final class LineShape: Sendable {
    /// A member whose number is shown with what it stands for.
    struct Resolved: Sendable {
        enum Kind: Sendable { case symbol, controlGroup, user }
        let kind: Kind
        /// `"uid":`
        let label: [UInt8]
        let offset: Int
        let width: Int
        let count: Int
        let isArray: Bool
        /// Whether it has what the record has bytes for.
        let isFlexible: Bool
    }

    /// One cell of a row.
    struct Cell: Sendable {
        let plan: ValuePlan
        let before: Int
        let behind: Int
    }

    /// `"type":"exec_event","data":`; of CSV `exec_event,,`.
    let head: [UInt8]
    /// `nil`: nothing of the type is shown.
    let plan: ValuePlan?
    /// The plan's, for the one renderer that this shape is of.
    let memory: RenderMemory?
    /// Bytes that a record has at least.
    let size: Int
    /// Whether bytes that no member has are told.
    private let showsTrailing: Bool
    private let tail: ValuePlan.Tail?
    let resolved: [Resolved]
    /// Of CSV; `nil` where the type has no such member.
    let cells: [Cell?]

    init(_ type: RecordType, _ variant: LineVariant) {
        let selection = variant.selection
        let isCSV = variant.format == .csv
        head = isCSV ? CSVText.cell(type.name) + Array(",,".utf8) : Self.head(type.name)
        plan = selection.fields.isEmpty ? type.plan : type.plan.selecting(selection.fields)
        memory = plan.map(RenderMemory.init)
        size = type.plan.leastSize
        tail = type.plan.tail
        showsTrailing = selection.fields.isEmpty
        resolved = isCSV ? [] : Self.resolved(type, selection)
        cells =
            !isCSV
            ? []
            : selection.columns.map { path in
                guard let plan = type.plan.selecting([path]) else { return nil }
                let frame = type.plan.frame(of: path)
                return Cell(plan: plan, before: frame.before, behind: frame.behind)
            }
    }

    /// Where the bytes of a record begin that no member has: behind the type, or behind the last
    /// whole element of its flexible array. `nil` where there are none to be told.
    func trailingOffset(of count: Int) -> Int? {
        guard showsTrailing, count > size else { return nil }
        let offset = tail?.shownCount(of: count) ?? size
        return offset < count ? offset : nil
    }

    /// Of records whose type is not known, or no name.
    static func head(_ type: String?) -> [UInt8] {
        var json = JSONWriter(capacity: 64)
        json.raw("\"type\":")
        if let type { json.string(type) } else { json.null() }
        json.raw(",\"data\":")
        return json.bytes()
    }

    private static let symbolNames: Set = ["ip", "addr", "address", "caller", "kstack", "stack"]
    private static let cgroupNames: Set = ["cgroup", "cgroup_id", "cgid"]
    private static let userNames: Set = ["uid", "euid", "suid", "fsuid", "loginuid", "owner_uid"]

    /// Whether a member is among the fields, itself or with what it is in.
    private static func isShown(_ name: String, _ selection: Selection) -> Bool {
        selection.fields.isEmpty
            || selection.fields.contains { field in
                name == field || name.hasPrefix(field + ".") || name.hasPrefix(field + "[")
            }
    }

    private static func resolved(_ type: RecordType, _ selection: Selection) -> [Resolved] {
        let declared = Set(type.addresses.map(\.name))
        let members = type.plan.nestedMembers
        let known = Set(members.map(\.name))
        // Elements of arrays are looked at where they are named.
        let elements = type.addresses.filter { !known.contains($0.name) }
        return (members + elements).compactMap { member in
            guard isShown(member.name, selection) else { return nil }
            let name = member.name.split(separator: ".").last.map(String.init) ?? ""
            let isNumber = member.kind == .integer && member.bits == nil
            let isWide = member.size == 8 && (isNumber || member.kind == .pointer)
            let isStack =
                member.kind == .array && member.size % 8 == 0
                && (member.size > 0 || member.isFlexible)
            let isAsked = selection.resolves.contains(.symbols) && symbolNames.contains(name)
            if declared.contains(member.name) || isAsked && (isWide || isStack) {
                return Resolved(.symbol, member, width: 8, isArray: !isWide)
            }
            if selection.resolves.contains(.cgroups), cgroupNames.contains(name),
                isNumber, member.size == 8
            {
                return Resolved(.controlGroup, member, width: 8, isArray: false)
            }
            if selection.resolves.contains(.users), userNames.contains(name), isNumber,
                member.size == 4
            {
                return Resolved(.user, member, width: 4, isArray: false)
            }
            return nil
        }
    }
}

extension LineShape.Resolved {
    fileprivate init(_ kind: Kind, _ member: ValuePlan.Member, width: Int, isArray: Bool) {
        self.kind = kind
        var json = JSONWriter(capacity: 64)
        json.string(member.name)
        json.raw(":")
        label = json.bytes()
        offset = member.offset
        self.width = width
        count = member.size / width
        self.isArray = isArray
        isFlexible = member.isFlexible
    }

    /// Appends the text of what the member's number stands for, `null` where that is not known.
    func write(_ record: Span<UInt8>, _ resolver: any ValueResolver, into json: inout JSONWriter) {
        json.raw(label.span)
        guard isArray else { return write(0, record, resolver, &json) }
        let count = isFlexible ? (record.count - offset) / width : count
        json.raw("[")
        // The rest of a short stack is 0.
        for index in 0..<count where index == 0 || number(index, record) != 0 {
            if index > 0 { json.raw(",") }
            write(index, record, resolver, &json)
        }
        json.raw("]")
    }

    private func number(_ index: Int, _ record: Span<UInt8>) -> UInt64 {
        var value: UInt64 = 0
        let start = offset + index * width
        for byte in (0..<width).reversed() { value = value << 8 | UInt64(record[start + byte]) }
        return value
    }

    private func write(
        _ index: Int, _ record: Span<UInt8>, _ resolver: any ValueResolver,
        _ json: inout JSONWriter
    ) {
        let number = number(index, record)
        let text =
            switch kind {
            case .symbol: resolver.symbol(number)
            case .controlGroup: resolver.controlGroup(number)
            case .user: resolver.user(UInt32(truncatingIfNeeded: number))
            }
        if let text { json.string(text) } else { json.null() }
    }
}
