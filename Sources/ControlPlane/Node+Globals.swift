internal import BPF
internal import BTF
internal import Linux
public import JSON
internal import Loading
public import Problems

extension Node {
    /// The variables of a program. - Throws: `not_found`.
    public func globals(_ program: String) throws(Problem) -> [GlobalView] {
        try self.program(program).globals
    }

    /// One variable. - Throws: `not_found`, with near matches.
    public func global(_ program: String, _ name: String) throws(Problem) -> GlobalView {
        let view = try self.program(program)
        let all = view.report.globals
        guard let found = all.first(where: { $0.name == name }) else {
            throw Problem(
                .notFound,
                "Program \(program) has no variable \(name)"
                    + NearMatches.clause(for: name, among: all.map(\.name)) + ".")
        }
        return view.globals([found], atMost: ProgramView.mostBytesAlone)[0]
    }

    /// Writes variables of a loaded program; all are checked before the first is written. Each is
    /// written in place: what the program does to its other variables meanwhile stays.
    /// - Returns: whether any has other bytes now.
    /// - Throws: `not_found`; `invalid_value`; `unsupported_map_operation` for `.rodata`;
    ///   `conflict` where the program is not loaded.
    public func setGlobals(
        _ program: String, _ values: [(name: String, value: JSONValue, pointer: JSONPointer)],
        isDryRun: Bool
    ) throws(Problem) -> Bool {
        guard let loaded = state.withLock({ $0.programs[program] })?.loaded else {
            _ = try self.program(program)
            throw Problem(
                .conflict, "Program \(program) is not loaded, so it has no variables now.")
        }
        var writes: [(map: LoadedMap, offset: Int, bytes: [UInt8])] = []
        for given in values {
            let global = try self.global(program, given.name).global
            guard !global.section.hasPrefix(".rodata"), let map = loaded.maps[global.section] else {
                throw Problem(
                    .unsupportedMapOperation,
                    "\(given.name) is in \(global.section), which the kernel freezes at load: load "
                        + "the program again with global=\(given.name)=….",
                    pointer: given.pointer.description)
            }
            try map.require(.write)
            guard let types = loaded.types,
                let variable = types.variables(in: global.section).first(where: {
                    $0.name == given.name
                }), variable.offset >= 0,
                variable.offset + variable.size <= map.map.info.valueSize
            else {
                throw Problem(
                    .unsupportedMapOperation,
                    "The type of \(given.name) is not known, so it cannot be written.",
                    pointer: given.pointer.description)
            }
            writes.append((map, variable.offset, try encode(given, variable, types)))
        }
        var isChanged = false
        for write in writes {
            let key: [UInt8] = [0, 0, 0, 0]
            do throws(BPFError) {
                let now = try write.map.map.lookup(key.span) ?? []
                let range = write.offset..<write.offset + write.bytes.count
                if range.upperBound > now.count || Array(now[range]) != write.bytes {
                    isChanged = true
                    if !isDryRun { try write.map.map.store(write.bytes.span, at: write.offset) }
                    fault(.afterGlobal)
                }
            } catch {
                throw write.map.refused(error, while: "write a variable")
            }
        }
        return isChanged
    }

    private func encode(
        _ given: (name: String, value: JSONValue, pointer: JSONPointer),
        _ variable: BTFTypes.Variable, _ types: BTFTypes
    ) throws(Problem) -> [UInt8] {
        let plan: ValuePlan
        do { plan = try ValuePlan(types, type: variable.type) } catch {
            throw Problem(
                .unsupportedMapOperation, "\(given.name) cannot be written: \(error.reason).",
                pointer: given.pointer.description)
        }
        do {
            return try plan.encode(
                given.value, at: given.pointer, maximumSize: variable.size)
        } catch {
            throw Problem(
                .invalidValue, "The value does not fit \(plan.typeName): \(error.reason).",
                pointer: error.pointer.description)
        }
    }
}
