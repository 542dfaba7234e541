internal import JSON
internal import Linux
internal import Problems
internal import Registry

/// One manifest on its way: what was made for it so far, and how to take that back. On one thread,
/// which holds the locks of all programs concerned.
///
/// Order: programs are loaded, maps filled, probes attached, each beside what is there; `commit`
/// changes over.
final class ApplyRun {
    /// A load that is to take the place of what is registered under its name.
    struct Staged {
        var record: ProgramRecord
        var old: ProgramRecord?
        var object: UploadedObject
    }

    /// A link that is to be.
    struct Placed {
        var record: ProbeRecord
        /// As it was; nil where it is new.
        var old: ProbeRecord?
    }

    let node: Node
    let manifest: Manifest
    let isDryRun: Bool
    let origin: ChangeOrigin
    let owners: Owners
    let declared: [DeclaredEntryRow]

    var changes: [PlannedChange] = []
    var staged: [String: Staged] = [:]
    var stagedOrder: [String] = []
    /// Programs whose load stays: only labels or variables are other.
    var relabelled: [ProgramRecord] = []
    /// Of those, the variables that are written once the change is committed.
    var variablesBack: [String: [VariableRow]] = [:]
    /// Functions without a probe, of programs that want one for each.
    var missing: [String: [String]] = [:]
    var placed: [Placed] = []
    /// Probes whose link stays as it is.
    var edited: [ProbeRecord] = []
    /// Links that had to go before the new one could come, though nothing is committed yet.
    var detachedEarly: [ProbeRecord] = []
    var prunedPrograms: [ProgramRecord] = []
    var prunedProbes: [ProbeRecord] = []
    var ownerRows: [OwnerRow] = []
    var entryRows: [DeclaredEntryRow] = []
    var prunedEntries: [DeclaredEntryRow] = []
    var undoRows: [EntryUndoRow] = []
    /// Maps that have the manifest's entries and no others.
    var exactMaps: Set<String> = []
    /// The manifest's entries, `program/map key`.
    var filled: Set<String> = []
    /// Probes that were not there.
    var created = 0
    let names = KernelNameLists()

    init(_ node: Node, _ manifest: Manifest, isDryRun: Bool, _ origin: ChangeOrigin)
        throws(Problem)
    {
        self.node = node
        self.manifest = manifest
        self.isDryRun = isDryRun
        self.origin = origin
        owners = node.state.withLock { $0.owners }
        do { declared = try node.registry.declaredEntries() } catch {
            throw Problem(error, while: "read what is declared")
        }
    }

    func run() throws(Problem) -> ApplyOutcome {
        try checkNames()
        try checkOwners()
        do throws(Problem) {
            try planPrune()
            let ordered = LoadOrder.dependenciesFirst(
                Array(manifest.programs.enumerated()), name: \.element.name,
                needs: \.element.options.otherPrograms)
            for (index, program) in ordered {
                try step(
                    "programs/\(program.name)", at: .root.appending("programs").appending(index)
                ) {
                    () throws(Problem) in try stage(program)
                }
            }
            for (index, contents) in manifest.maps.enumerated() {
                try step("maps/\(contents.name)", at: .root.appending("maps").appending(index)) {
                    () throws(Problem) in try fill(contents)
                }
            }
            try pruneEntries()
            fillAgain()
            try moveOthers()
            for (index, probe) in manifest.probes.enumerated() {
                let pointer = JSONPointer.root.appending("probes").appending(index)
                try step("probes/\(probe.id ?? "")", at: pointer) { () throws(Problem) in
                    try place(probe)
                }
            }
            notePruned()
            return isDryRun ? rehearsed() : try commit()
        } catch {
            undo()
            throw explained(error)
        }
    }

    private func rehearsed() -> ApplyOutcome {
        undo()
        return ApplyOutcome(changes: changes, changed: hasChanges, revision: node.revision)
    }

    var hasChanges: Bool {
        changes.contains { $0.action != .none } || !ownerRows.isEmpty || !entryRows.isEmpty
            || !prunedEntries.isEmpty
    }

    func note(_ change: PlannedChange) { changes.append(change) }

    /// Runs one step; a problem in it says which, and points into the manifest.
    func step(_ name: String, at pointer: JSONPointer?, _ body: () throws(Problem) -> Void)
        throws(Problem)
    {
        let loads = staged.compactMapValues(\.record.loaded)
        do throws(Problem) { try StagedPrograms.$current.during(loads, body) } catch {
            var problem = error
            if let pointer { problem.pointer = pointer.description + (error.pointer ?? "") }
            if problem.members["step"] == nil { problem.members["step"] = .text(name) }
            throw problem
        }
    }

    private func explained(_ problem: Problem) -> Problem {
        var problem = problem
        guard case .text(let step)? = problem.members["step"], !isDryRun else { return problem }
        let done = changes.filter { $0.action != .none }.map(\.subject)
        problem.members["undone"] = .list(done)
        if problem.detail.last != "." { problem.detail += "." }
        problem.detail +=
            " Step \(step) of the manifest failed; what \(done.count) step(s) before it did was "
            + "taken back."
        return problem
    }

    // MARK: Who declared it

    /// - Throws: `invalid_member` where the manifest names something twice.
    private func checkNames() throws(Problem) {
        let lists: [(String, String, [String])] = [
            ("programs", "name", manifest.programs.map(\.name)),
            ("probes", "id", manifest.probes.compactMap(\.id)),
            ("maps", "map", manifest.maps.map(\.name)),
        ]
        for (list, member, names) in lists {
            var seen: Set<String> = []
            for (index, name) in names.enumerated() where !seen.insert(name).inserted {
                throw Problem(
                    .invalidMember, "\(name) stands twice in the manifest's \(list).",
                    pointer: JSONPointer.root.appending(list).appending(index).appending(member)
                        .description)
            }
        }
        for program in manifest.programs { try Names.check(program.name, "program name") }
        for id in manifest.probes.compactMap(\.id) { try Names.check(id, "probe id") }
    }

    private func checkOwners() throws(Problem) {
        for (index, program) in manifest.programs.enumerated() {
            try checkOwner(
                owners.programs[program.name], "program \(program.name)",
                JSONPointer.root.appending("programs").appending(index).appending("name"))
        }
        for (index, id) in manifest.probes.compactMap(\.id).enumerated() {
            try checkOwner(
                owners.probes[id], "probe \(id)",
                JSONPointer.root.appending("probes").appending(index).appending("id"))
        }
    }

    func checkOwner(_ owner: String?, _ what: String, _ pointer: JSONPointer) throws(Problem) {
        guard let owner, owner != manifest.owner else { return }
        var problem = Problem(
            .conflict,
            "The \(what) is declared by \(owner), and a manifest of \(manifest.owner) may not "
                + "declare it too.",
            pointer: pointer.description,
            hint: "Take it out of the manifest of \(owner) with \"prune\": true, or delete it.")
        problem.members["owner"] = .text(owner)
        throw problem
    }

    /// Notes that the manifest's owner has it from now on.
    /// - Returns: what differs.
    func own(_ kind: OwnerRow.Kind, _ name: String) -> [Difference] {
        let before = kind == .program ? owners.programs[name] : owners.probes[name]
        guard before != manifest.owner else { return [] }
        ownerRows.append(OwnerRow(kind: kind, name: name, owner: manifest.owner))
        return Difference.owner(before, manifest.owner)
    }
}
