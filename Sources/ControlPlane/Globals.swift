internal import BPF
internal import BTF
public import JSON
public import Loading

/// A variable of a program's data sections, as it is now.
public struct GlobalView: Sendable {
    public let global: LoadReport.Global
    /// nil where its bytes cannot be read, have no type, or are too many to be shown among others.
    public let value: JSONValue?
    /// Tells its present bytes from others, as an entry's tag does.
    public let tag: String
}

extension ProgramView {
    /// A variable beyond this is shown alone, and not in a list.
    static let mostBytesInList = 64 << 10
    /// A variable beyond this is not shown as JSON at all.
    static let mostBytesAlone = 4 << 20

    /// The program's variables with their present values; one lookup for each section.
    public var globals: [GlobalView] { globals(report.globals, atMost: Self.mostBytesInList) }

    /// The tag of all variables: the program's revision, which clients raise, and a digest of what
    /// they are now, which the program changes too.
    public func tag(of globals: [GlobalView]) -> String {
        let digest = EntryTag.of(Array(globals.map(\.tag).joined().utf8).span)
        return "\(row.revision)-\(digest)"
    }

    /// Some of the variables.
    func globals(_ wanted: [LoadReport.Global], atMost most: Int) -> [GlobalView] {
        var sections: [String: [UInt8]] = [:]
        for section in Set(wanted.filter { $0.size <= most }.map(\.section)) {
            let key: [UInt8] = [0, 0, 0, 0]
            // A section that cannot be read shows its variables without values.
            do { sections[section] = try loaded?.maps[section]?.map.lookup(key.span) } catch {}
        }
        return wanted.map { global in
            let section = global.size > most ? nil : sections[global.section]
            let variable = section.flatMap { self.variable(of: global, in: $0) }
            guard let section, let variable else {
                return GlobalView(global: global, value: nil, tag: EntryTag.of([UInt8]().span))
            }
            let range = variable.offset..<variable.offset + variable.size
            let bytes = section.span.extracting(range)
            return GlobalView(
                global: global, value: value(of: variable, bytes), tag: EntryTag.of(bytes))
        }
    }

    private func variable(of global: LoadReport.Global, in section: [UInt8])
        -> BTFTypes.Variable?
    {
        let all = loaded?.types?.variables(in: global.section) ?? []
        guard let variable = all.first(where: { $0.name == global.name }), variable.offset >= 0,
            variable.offset + variable.size <= section.count
        else { return nil }
        return variable
    }

    private func value(of variable: BTFTypes.Variable, _ bytes: Span<UInt8>) -> JSONValue? {
        guard let types = loaded?.types else { return nil }
        // A variable of a type that has no plan is shown without a value.
        do {
            let plan = try ValuePlan(types, variable: variable)
            guard plan.size <= variable.size else { return nil }
            var json = JSONWriter(capacity: 256, int64: .number)
            plan.render(bytes, into: &json)
            let text = json.bytes()
            return try JSONValue.parse(text.span)
        } catch {
            return nil
        }
    }
}
