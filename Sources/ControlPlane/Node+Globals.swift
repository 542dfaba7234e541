internal import BPF
internal import BTF
internal import Linux
public import JSON
internal import Loading
public import Problems
public import Registry

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
    ///
    /// What is set is recorded first, so that a crash in between ends in all of it, and so that the
    /// program has it again when it is loaded again after a reboot. Another load forgets it.
    /// - Parameter alone: the variable whose tag the conditions are of; nil: they are of the
    ///   tag of all, and hold as long as no client has changed the program.
    /// - Returns: whether any has other bytes now.
    /// - Throws: `not_found`; `invalid_value`; `unsupported_map_operation` for `.rodata`;
    ///   `conflict` where the program is not loaded; `precondition_failed`.
    public func setGlobals(
        _ program: String, _ values: [(name: String, value: JSONValue, pointer: JSONPointer)],
        _ conditions: Conditions, alone: String? = nil, isDryRun: Bool, _ origin: ChangeOrigin
    ) throws(Problem) -> Bool {
        do {
            return try locks.withLock([program]) { () throws(Problem) in
                try check(conditions, ofGlobals: program, alone)
                return try setLocked(program, values, isDryRun: isDryRun, origin)
            }
        } catch {
            if !isDryRun { noteRefusal(error, origin, subject: "programs/\(program)") }
            throw error
        }
    }

    private func check(_ conditions: Conditions, ofGlobals program: String, _ alone: String?)
        throws(Problem)
    {
        if let alone {
            let tag = try global(program, alone).tag
            return try conditions.check(tag: tag, "tag", of: "Variable \(program)/\(alone)")
        }
        // What the program itself counts makes no change of a client's.
        try conditions.ofRevisions.check(
            try self.program(program).row.revision, of: "Program \(program)")
    }

    private func setLocked(
        _ program: String, _ values: [(name: String, value: JSONValue, pointer: JSONPointer)],
        isDryRun: Bool, _ origin: ChangeOrigin
    ) throws(Problem) -> Bool {
        guard let record = state.withLock({ $0.programs[program] }), let loaded = record.loaded
        else {
            _ = try self.program(program)
            throw Problem(
                .conflict, "Program \(program) is not loaded, so it has no variables now.")
        }
        var writes: [VariableWrite] = []
        for given in values { writes.append(try write(of: given, loaded, program)) }
        let changed = writes.filter(\.isChange)
        if changed.isEmpty || isDryRun { return !changed.isEmpty }
        try recordVariables(changed, of: record, isPending: true, origin)
        do throws(BPFError) {
            for write in changed {
                try write.map.map.store(write.bytes.span, at: write.offset)
                fault(.afterGlobal)
            }
        } catch {
            takeBack(changed, record, origin)
            throw changed[0].map.refused(error, while: "write a variable")
        }
        settle(program)
        return true
    }

    private func settle(_ program: String) {
        do { try registry.settleVariables(of: program) } catch {
            log.error(
                "variables are written again at the next start",
                metadata: ["program": "\(program)", "reason": "\(error.reason)"])
        }
    }

    private func recordVariables(
        _ writes: [VariableWrite], of record: ProgramRecord, isPending: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) {
        let row = record.row
        let revision = try commit(origin, subject: "programs/\(row.name)") { transaction in
            try transaction.put(row)
            for write in writes {
                let text = String(decoding: write.value.serialized(), as: UTF8.self)
                try transaction.put(
                    VariableRow(name: write.name, value: text, isPending: isPending), of: row.name)
            }
        }
        state.withLock { $0.programs[row.name]?.row.revision = revision }
    }

    /// The kernel refused one: all have what they had before.
    private func takeBack(
        _ writes: [VariableWrite], _ record: ProgramRecord, _ origin: ChangeOrigin
    ) {
        for write in writes {
            do { try write.map.map.store(write.before.span, at: write.offset) } catch {
                log.error(
                    "a variable has not what it had",
                    metadata: ["variable": "\(record.row.name)/\(write.name)"])
            }
        }
        let before = writes.compactMap { write in
            // A value that cannot be shown is not recorded.
            (try? self.global(record.row.name, write.name).value).map { value in
                var write = write
                write.value = value
                return write
            }
        }
        do { try recordVariables(before, of: record, isPending: false, origin) } catch {
            log.error("a change that failed stays recorded", metadata: ["why": "\(error.detail)"])
        }
    }

    /// What a program's variables were set to after its load, by name.
    func variablesSet(of program: String) throws(RegistryError) -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for row in try registry.variables(of: program) {
            // Written by this daemon.
            values[row.name] = try? JSONValue.parse(row.value)
        }
        return values
    }

    /// - Throws: what would keep the variable from being set: `not_found`, `invalid_value`.
    func checkVariable(_ row: VariableRow, of loaded: LoadedProgram) throws(Problem) {
        let pointer = JSONPointer.root.appending("globals").appending(row.name)
        let value: JSONValue
        do { value = try JSONValue.parse(row.value) } catch { value = .null }
        _ = try write(of: (row.name, value, pointer), loaded, loaded.name)
    }

    /// Writes what was set once more: all of it in a new load, in an adopted one what a crash may
    /// have kept from it.
    func setVariables(of loaded: LoadedProgram, onlyPending: Bool) {
        let rows: [VariableRow]
        do { rows = try registry.variables(of: loaded.name) } catch { return }
        let wanted = rows.filter { $0.isPending || !onlyPending }
        for row in wanted {
            do {
                let value = try JSONValue.parse(row.value)
                let write = try write(
                    of: (row.name, value, .root.appending(row.name)), loaded, loaded.name)
                try write.map.map.store(write.bytes.span, at: write.offset)
            } catch {
                log.error(
                    "a variable is not set again",
                    metadata: ["variable": "\(loaded.name)/\(row.name)", "why": "\(error)"])
            }
        }
        if !wanted.isEmpty { settle(loaded.name) }
    }

    private func write(
        of given: (name: String, value: JSONValue, pointer: JSONPointer), _ loaded: LoadedProgram,
        _ program: String
    ) throws(Problem) -> VariableWrite {
        guard let global = loaded.report.globals.first(where: { $0.name == given.name }) else {
            throw Problem(
                .notFound,
                "Program \(program) has no variable \(given.name)"
                    + NearMatches.clause(
                        for: given.name, among: loaded.report.globals.map(\.name)) + ".")
        }
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
        let bytes = try encode(given, variable, types)
        let key: [UInt8] = [0, 0, 0, 0]
        let before: [UInt8]
        do throws(BPFError) {
            let range = variable.offset..<variable.offset + bytes.count
            let now = try map.map.lookup(key.span) ?? []
            before = range.upperBound <= now.count ? Array(now[range]) : []
        } catch {
            throw map.refused(error, while: "read a variable")
        }
        return VariableWrite(
            name: given.name, value: given.value, map: map, offset: variable.offset, bytes: bytes,
            before: before)
    }

    private func encode(
        _ given: (name: String, value: JSONValue, pointer: JSONPointer),
        _ variable: BTFTypes.Variable, _ types: BTFTypes
    ) throws(Problem) -> [UInt8] {
        let plan: ValuePlan
        do { plan = try ValuePlan(types, variable: variable) } catch {
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

/// One variable on its way into the kernel.
private struct VariableWrite {
    let name: String
    var value: JSONValue
    let map: LoadedMap
    let offset: Int
    let bytes: [UInt8]
    /// What the kernel had.
    let before: [UInt8]

    var isChange: Bool { bytes != before }
}
