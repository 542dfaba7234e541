internal import Linux
public import Problems
internal import Registry

/// What would become of a registration on this host.
public struct Rehearsal: Sendable {
    public enum Subject: String, Sendable { case program, probe }
    public enum Verdict: String, Sendable {
        case possible, impossible
        /// It is disabled: nothing is to be attached.
        case disabled
    }
    public var subject: Subject
    public var name: String
    public var verdict: Verdict
    /// Why not.
    public var problem: Problem?
}

extension Node {
    /// Tries what is registered on this host without attaching anything: each program goes through
    /// the verifier, each probe's kind and target are looked for. For a registry that came from
    /// another host; before `reconcile()`, and with no daemon beside.
    public func rehearseRegistered() throws(Problem) -> [Rehearsal] {
        let registered: RegistryPicture
        do { registered = try registry.picture() } catch {
            throw Problem(error, while: "read the registry")
        }
        var found: [Rehearsal] = []
        var loads: [String: LoadedProgram] = [:]
        var failures: [String: Problem] = [:]
        defer {
            for load in loads.values { removeLoad(FileSystem.name(of: load.directory)) }
        }
        for row in dependenciesFirst(registered.programs) where row.state != .deleting {
            var problem: Problem?
            do throws(Problem) {
                loads[row.name] = try StagedPrograms.$current.during(loads) {
                    () throws(Problem) in try rehearsed(row)
                }
            } catch {
                problem = error
                failures[row.name] = error
            }
            found.append(
                Rehearsal(
                    subject: .program, name: row.name,
                    verdict: problem == nil ? .possible : .impossible, problem: problem))
        }
        let names = KernelNameLists()
        for row in registered.probes where row.state != .deleting {
            found.append(rehearsed(row, loads, failures[row.program], names))
        }
        return found
    }

    private func rehearsed(_ row: ProgramRow) throws(Problem) -> LoadedProgram {
        let loadID = Names.makeLoadID()
        do throws(Problem) {
            return try loadIntoKernel(
                try object(row.digest), try ProgramOptions(canonicalText: row.options),
                name: row.name, loadID: loadID)
        } catch {
            removeLoad(loadID)
            throw error
        }
    }

    private func rehearsed(
        _ row: ProbeRow, _ loads: [String: LoadedProgram], _ failure: Problem?,
        _ names: KernelNameLists
    ) -> Rehearsal {
        var rehearsal = Rehearsal(subject: .probe, name: row.id, verdict: .possible)
        guard row.enabled else {
            rehearsal.verdict = .disabled
            return rehearsal
        }
        do throws(Problem) {
            if let failure {
                throw Problem(
                    .conflict, "Its program \(row.program) does not load here: \(failure.detail)")
            }
            guard let load = loads[row.program] else {
                throw Problem(.notFound, "There is no program \(row.program).")
            }
            let document = try AttachDocument(stored: row.attach)
            try resolve(document, function: row.function, of: load, names)
        } catch {
            rehearsal.verdict = .impossible
            rehearsal.problem = error
        }
        return rehearsal
    }
}
