internal import JSON
internal import Problems
internal import Registry

extension ApplyRun {
    /// Finds what this owner declared before and does not declare any more. It goes after the new
    /// is there.
    /// - Throws: `conflict` where a program that would go has a probe or an entry that somebody
    ///   else declared.
    func planPrune() throws(Problem) {
        guard manifest.prunes else { return }
        let programs = Set(manifest.programs.map(\.name))
        let probes = Set(manifest.probes.compactMap(\.id))
        let (registered, attached) = node.state.withLock { ($0.programs, $0.probes) }
        prunedPrograms = registered.values.filter { record in
            owners.programs[record.row.name] == manifest.owner
                && !programs.contains(record.row.name)
        }.sorted { $0.row.name < $1.row.name }
        let going = Set(prunedPrograms.map(\.row.name))
        prunedProbes = attached.values.filter { record in
            if probes.contains(record.row.id) { return false }
            return going.contains(record.row.program)
                || owners.probes[record.row.id] == manifest.owner
        }.sorted { $0.row.id < $1.row.id }
        for record in prunedProbes {
            try checkPruned(
                record.row.program, owners.probes[record.row.id],
                "probe \(record.row.id) on it")
        }
        for row in declared where going.contains(row.program) {
            try checkPruned(row.program, row.owner, "entry \(row.key) of its map \(row.map)")
        }
    }

    private func checkPruned(_ program: String, _ owner: String?, _ what: String) throws(Problem) {
        guard let owner, owner != manifest.owner else { return }
        var problem = Problem(
            .conflict,
            "Program \(program) is not declared any more, but \(owner) has declared \(what).")
        problem.members["owner"] = .text(owner)
        problem.members["step"] = .text("programs/\(program)")
        throw problem
    }

    /// Tells of what goes, after all else.
    func notePruned() {
        for record in prunedProbes {
            let goesWith = prunedPrograms.contains { $0.row.name == record.row.program }
            note(
                PlannedChange(
                    .delete, .probe, record.row.id,
                    goesWith
                        ? "It goes with its program \(record.row.program)."
                        : "\(manifest.owner) declares it no more."))
        }
        for record in prunedPrograms {
            note(
                PlannedChange(
                    .delete, .program, record.row.name, "\(manifest.owner) declares it no more."))
        }
    }
}
