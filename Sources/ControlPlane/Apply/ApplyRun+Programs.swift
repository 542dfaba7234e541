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
        var differences = Self.differences(old, program)
        let isStale = old.loaded.map { node.hasStaleMaps($0, program.options) } ?? true
        if isStale || !differences.isEmpty {
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
        let labels = Difference.labels(old.row.labels, program.options.labels)
        if !labels.isEmpty {
            var record = old
            record.row.labels = program.options.labels
            relabelled.append(record)
        }
        differences = labels + own(.program, program.name)
        let unattached = try unattachedFunctions(of: program, old)
        if !unattached.isEmpty { missing[program.name] = unattached }
        var reason =
            differences.isEmpty
            ? "" : "Only labels or owner differ: nothing changes in the kernel."
        if !unattached.isEmpty {
            reason =
                "attach is auto, and there is no probe of \(unattached.joined(separator: ", "))."
        }
        note(
            PlannedChange(
                reason.isEmpty ? .none : .replace, .program, program.name,
                reason.isEmpty ? "It is as declared." : reason, differences))
    }

    private static func differences(_ old: ProgramRecord, _ program: Manifest.Program)
        -> [Difference]
    {
        var found: [Difference] = []
        if old.row.digest != program.object.digest {
            found.append(
                Difference(
                    .root.appending("object").appending("digest"), .string(old.row.digest),
                    .string(program.object.digest)))
        }
        return found
            + Difference.between(
                document(old.row.options), document(program.options.canonicalText))
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
