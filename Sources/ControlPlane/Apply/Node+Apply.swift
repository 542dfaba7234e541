public import Problems
public import Registry

extension Node {
    /// Brings programs, probes and map contents to what a manifest declares, all of it or nothing.
    ///
    /// What is to be new is loaded and attached beside what is there; then one transaction changes
    /// over; only then is anything old let go. So a step that fails, and a daemon that dies before
    /// that transaction, leave what was; one that dies after it, what was declared.
    /// - Throws: the problem of the step that failed, with `step` and a pointer into the manifest;
    ///   `conflict` where somebody else declared the same, with `owner`.
    /// - Note: Blocks for as long as all its loads and attachments need. One at a time.
    /// - Parameter conditions: of the daemon's revision, as a plan gave it.
    public func apply(
        _ manifest: Manifest, _ conditions: Conditions = Conditions(), isDryRun: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) -> ApplyOutcome {
        do throws(Problem) {
            try Names.check(manifest.owner, "owner")
            return try lockingAll(manifest) { () throws(Problem) in
                try conditions.check(revision, of: "The daemon")
                return try quotaTurns.run { () throws(Problem) in
                    try ApplyRun(self, manifest, isDryRun: isDryRun, origin).run()
                }
            }
        } catch {
            if !isDryRun { noteRefusal(error, origin, subject: "apply/\(manifest.owner)") }
            throw error
        }
    }

    /// Which programs are touched depends on what is there, which may change until the locks are
    /// held.
    private func lockingAll(
        _ manifest: Manifest, _ body: () throws(Problem) -> ApplyOutcome
    ) throws(Problem) -> ApplyOutcome {
        for _ in 0..<16 {
            let names = try programsTouched(by: manifest)
            let outcome = try locks.withLock(names) { () throws(Problem) -> ApplyOutcome? in
                guard try programsTouched(by: manifest).isSubset(of: names) else { return nil }
                return try body()
            }
            if let outcome { return outcome }
        }
        throw Problem(
            .conflict,
            "What the manifest is about changes all the time by other requests: ask again.")
    }

    private func programsTouched(by manifest: Manifest) throws(Problem) -> Set<String> {
        // A colon is in no program's name: one apply at a time.
        var names: Set<String> = ["apply:"]
        names.formUnion(manifest.programs.map(\.name))
        names.formUnion(manifest.probes.map(\.program))
        names.formUnion(manifest.maps.map(\.program))
        let entries: [DeclaredEntryRow]
        do { entries = try registry.declaredEntries() } catch {
            throw Problem(error, while: "read what is declared")
        }
        for entry in entries where entry.owner == manifest.owner { names.insert(entry.program) }
        let declared = Set(manifest.probes.compactMap(\.id))
        state.withLock { state in
            for (name, owner) in state.owners.programs where owner == manifest.owner {
                names.insert(name)
            }
            for record in state.probes.values {
                let isOwn = state.owners.probes[record.row.id] == manifest.owner
                if isOwn || declared.contains(record.row.id) { names.insert(record.row.program) }
            }
        }
        return names
    }
}
