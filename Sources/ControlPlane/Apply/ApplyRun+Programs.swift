internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Registry

extension ApplyRun {
    /// Loads a program beside what is registered under its name, unless that is as declared.
    func stage(_ program: Manifest.Program) throws(Problem) {
        let old = node.state.withLock { $0.programs[program.name] }
        guard let old else {
            _ = own(.program, program.name)
            try load(program, replacing: nil)
            return note(
                PlannedChange(
                    .create, .program, program.name, "There is no program \(program.name)."))
        }
        let variables = try variables(of: program.name)
        var differences = Self.differences(old, program, variables)
        let isStale = old.loaded.map { node.hasStaleMaps($0, program.options) } ?? true
        let drifted = isStale ? nil : Self.drifted(differences, variables, program)
        if isStale || drifted == nil {
            let reason =
                old.loaded == nil
                ? "It is not loaded."
                : differences.isEmpty
                    ? "It uses maps of a program that has others now." : Self.reason(differences)
            differences += Difference.labels(old.row.labels, program.options.labels)
            differences += own(.program, program.name)
            try load(program, replacing: old)
            return note(PlannedChange(.replace, .program, program.name, reason, differences))
        }
        if let loaded = old.loaded, let drifted, !drifted.isEmpty {
            for row in drifted { try node.checkVariable(row, of: loaded) }
            variablesBack[program.name] = drifted
        }
        let labels = Difference.labels(old.row.labels, program.options.labels)
        if !labels.isEmpty || !differences.isEmpty {
            var record = old
            record.row.labels = program.options.labels
            relabelled.append(record)
        }
        let isDrifted = !differences.isEmpty
        differences += labels + own(.program, program.name)
        let unattached = try unattachedFunctions(of: program, old)
        if !unattached.isEmpty { missing[program.name] = unattached }
        var reason =
            differences.isEmpty
            ? "" : "Only labels or owner differ: nothing changes in the kernel."
        if isDrifted { reason = "Variables were set to something else: they are set back." }
        if !unattached.isEmpty {
            reason =
                "attach is auto, and there is no probe of \(unattached.joined(separator: ", "))."
        }
        note(
            PlannedChange(
                reason.isEmpty ? .none : .replace, .program, program.name,
                reason.isEmpty ? "It is as declared." : reason, differences))
    }

    /// What was set after the load, by name.
    private func variables(of program: String) throws(Problem) -> [String: JSONValue] {
        do { return try node.variablesSet(of: program) } catch {
            throw Problem(error, while: "read what variables were set to")
        }
    }

    /// The variables that are to be set back, where nothing else differs; nil where the program has
    /// to be loaded again.
    private static func drifted(
        _ differences: [Difference], _ variables: [String: JSONValue], _ program: Manifest.Program
    ) -> [VariableRow]? {
        var rows: [VariableRow] = []
        for difference in differences {
            let variable = variables.keys.first { name in
                let place = JSONPointer.root.appending("globals").appending(name).description
                let path = difference.pointer.description
                return path == place || path.hasPrefix(place + "/")
            }
            guard let variable, let value = program.options.globals[variable] else { return nil }
            if rows.contains(where: { $0.name == variable }) { continue }
            rows.append(
                VariableRow(
                    name: variable, value: String(decoding: value.serialized(), as: UTF8.self),
                    isPending: true))
        }
        return rows
    }

    private static func differences(
        _ old: ProgramRecord, _ program: Manifest.Program, _ variables: [String: JSONValue]
    ) -> [Difference] {
        var found: [Difference] = []
        if old.row.digest != program.object.digest {
            found.append(
                Difference(
                    .root.appending("object").appending("digest"), .string(old.row.digest),
                    .string(program.object.digest)))
        }
        return found
            + Difference.between(
                present(document(old.row.options), variables, program),
                document(program.options.canonicalText))
    }

    /// The options with the variables as they were set since, as far as a manifest speaks of them.
    private static func present(
        _ options: JSONValue?, _ variables: [String: JSONValue], _ program: Manifest.Program
    ) -> JSONValue? {
        guard var document = options?.object, var globals = document["globals"]?.object else {
            return options
        }
        for (name, value) in variables
        where globals[name] != nil || program.options.globals[name] != nil {
            globals[name] = value
        }
        document["globals"] = .object(globals)
        return .object(document)
    }

    private static func document(_ text: String) -> JSONValue? {
        // What an older release wrote otherwise counts as different, and is loaded again.
        do { return try JSONValue.parse(text) } catch { return nil }
    }

    private static func reason(_ differences: [Difference]) -> String {
        let names = Set(
            differences.map { difference in
                let path = difference.pointer.description.split(separator: "/")
                return path.first.map(String.init) ?? "options"
            }
        ).sorted()
        return "It is loaded with another \(names.joined(separator: ", "))."
    }

    /// Of a program whose functions are all to be attached: those that no probe has, the
    /// manifest's among them.
    private func unattachedFunctions(of program: Manifest.Program, _ old: ProgramRecord)
        throws(Problem) -> [String]
    {
        guard program.options.attach == .auto, let loaded = old.loaded else { return [] }
        let gone = Set(prunedProbes.map(\.row.id))
        let probes = node.probeRecords(of: program.name).filter { !gone.contains($0.row.id) }
        let attached = Set(
            probes.map(\.row.function)
                + manifest.probes.filter { $0.program == program.name }.map(\.function))
        let missing = loaded.report.functions.filter { !attached.contains($0.name) }
        return try AttachDocument.bySection(missing, beside: probes.map(\.attach))
            .map(\.function.name)
    }

    private func load(_ program: Manifest.Program, replacing old: ProgramRecord?) throws(Problem) {
        let change = ProgramChange(
            name: program.name, object: program.object, options: program.options,
            conditions: Conditions(), isDryRun: isDryRun)
        let loadID = Names.makeLoadID()
        try node.intend([loadID], .load, subject: program.name)
        do throws(Problem) {
            let loaded = try node.loadIntoKernel(
                change.object, change.options, name: change.name, loadID: loadID)
            try loaded.checkEvents(change.options)
            try node.checkPersistence(change.options, loaded)
            var row = node.row(for: change, loadID: loadID, report: loaded.report)
            row.kernelIDs = PinnedIDs(loaded).text
            if !isDryRun {
                node.objectHolds.take(program.object.digest)
                do throws(Problem) { try node.keep(program.object) } catch {
                    node.objectHolds.give(program.object.digest)
                    throw error
                }
            }
            staged[program.name] = Staged(
                record: ProgramRecord(row: row, loaded: loaded), old: old, object: program.object)
            stagedOrder.append(program.name)
        } catch {
            node.removeLoad(loadID)
            node.forget([loadID])
            throw error
        }
    }

    /// A program's kernel side as it will be.
    func loaded(_ program: String) throws(Problem) -> LoadedProgram {
        if let loaded = staged[program]?.record.loaded { return loaded }
        let record = node.state.withLock { $0.programs[program] }
        guard let record else {
            throw Problem(
                .notFound, "There is no program \(program), and the manifest declares none.",
                pointer: "/program")
        }
        guard let loaded = record.loaded else {
            throw Problem(
                .conflict,
                "Program \(program) is not loaded: its state is failed, see its problem.",
                pointer: "/program")
        }
        guard !prunedPrograms.contains(where: { $0.row.name == program }) else {
            throw Problem(
                .conflict,
                "Program \(program) is not declared any more and goes with \"prune\": true.",
                pointer: "/program")
        }
        return loaded
    }
}
