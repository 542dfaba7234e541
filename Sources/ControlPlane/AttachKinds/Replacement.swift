internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// freplace: a function of another loaded program, in whose place this one runs. Without a target
/// the one that the load has fixed.
struct ReplacementKind: AttachKind {
    let name = "freplace"
    let members = [AttachMember("program", .text), AttachMember("function", .text)]
    let sections = ["freplace"]

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "ext" }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        guard let program = site.text("program") else { return [.tracing] }
        let name = site.text("function") ?? site.function.target ?? ""
        let loaded = site.node.loadedProgram(program)
        guard let loaded else {
            throw site.missing(
                "There is no loaded program \(program).", "program",
                near: NearMatches.find(program, among: site.node.shownPrograms()))
        }
        // A subprogram is in the BTF of whatever entry point calls it; any of the object will do.
        let entry = loaded.kernelIDs[name] ?? loaded.kernelIDs.values.min()
        guard let id = loaded.types?.find(name, .function), let entry else {
            throw site.missing(
                "Program \(program) has no function \(name).", "function",
                near: NearMatches.find(name, among: loaded.functions.keys))
        }
        return [.replacement(programID: entry, typeID: id)]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        switch error.errno {
        case .ebusy, .eexist:
            let program = site.text("program").flatMap { name in
                site.node.state.withLock { $0.programs[name]?.loaded }
            }
            let ids = Set(program.map { Array($0.kernelIDs.values) } ?? [])
            let link = site.link { info in
                guard case .tracing(let target, _) = info.place else { return false }
                return ids.contains(target)
            }
            return site.busy(
                "The function \(site.text("function") ?? site.function.target ?? "")",
                link: link?.id, program: link?.programID, error)
        case .einval:
            return Problem(
                .attachRefused,
                "The kernel does not take \(site.function.name) in the place of that function: "
                    + "their "
                    + "arguments and results must be of the same types, and the target's not "
                    + "static.",
                errno: error.errno.name, pointer: "/attach", cause: error)
        default: return nil
        }
    }
}
