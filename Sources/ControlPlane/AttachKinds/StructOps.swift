internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// Functions that stand in for a structure of the kernel's, a TCP congestion control say: the map
/// that holds them is registered as a whole.
///
/// The link is made in a child with a deadline, and never updated: an update to the map that it
/// already holds is a kernel BUG (6.18, tcp_congestion_ops: `list_add double add`) that leaves the
/// lock taken and hangs every later call, unkillably, until the next boot.
struct StructOpsKind: AttachKind {
    let name = "struct_ops"
    let members = [AttachMember("map", .text)]
    let sections = ["struct_ops", "struct_ops.s"]
    let linkTypeName = "struct_ops"

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "struct_ops" }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] { [] }

    func link(at site: AttachSite) throws(Problem) -> Link? {
        let name = try mapName(site)
        let map = try site.structOpsMap(named: name).map.map
        let pin = site.node.pinPath(site.pin)
        do throws(LoadFailure) {
            try site.node.configuration.loader.linkStructOps(map: map.lentDescriptor, pin: pin)
        } catch {
            throw explained(error, name)
        }
        do { return try Link(taking: pin) } catch {
            throw Problem(error, while: "open the link of \(site.program.name)/\(name)")
        }
    }

    /// Before 6.4: the load told the value that registers the map, and did not write it.
    func resident(at site: AttachSite, handle: UInt32, namespace: String?) throws(Problem)
        -> Resident?
    {
        let name = try mapName(site)
        let (map, owner) = try site.structOpsMap(named: name)
        let entry = owner.report.maps.first { $0.name == map.name }
        guard let structure = entry?.structure else { return nil }
        let functions = structure.functions.compactMapValues { owner.kernelIDs[$0] }
        guard functions.count == structure.functions.count else {
            throw Problem(
                .attachRefused,
                "Map \(name) needs functions that were not loaded: load the program whole.",
                pointer: "/attach/map")
        }
        let value = StructureValue(bytes: structure.bytes, functions: functions)
        do { return .structure(HeldStructure(try map.map.makeUnregistered(), value)) } catch {
            throw Problem(error, while: "make a map like \(site.program.name)/\(name)")
        }
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let map = site.text("map") ?? site.program.name
        switch error.errno {
        case .eexist, .ebusy: return taken(map, error.errno, error)
        case .einval:
            return Problem(
                .attachRefused,
                "The kernel does not take the structure of \(map): it lacks a member that it must "
                    + "have.", errno: error.errno.name, pointer: "/attach", cause: error)
        default: return nil
        }
    }

    /// Without `map` the program's only one.
    private func mapName(_ site: AttachSite) throws(Problem) -> String {
        if let name = site.text("map") { return name }
        let names = site.program.maps.values.filter { $0.map.info.type == .structOps }
            .map(\.name).sorted()
        guard names.count == 1 else {
            throw Problem(
                .invalidMember,
                "Program \(site.program.name) has \(names.count) struct_ops maps: name one as "
                    + "\"map\"" + (names.isEmpty ? "." : ": \(names.joined(separator: ", "))."),
                pointer: "/attach/map")
        }
        return names[0]
    }

    private func taken(_ map: String, _ errno: Errno?, _ cause: any Error) -> Problem {
        Problem(
            .attachBusy,
            "A structure of the name in \(map) is registered already: detach it first, or give "
                + "this one another name.", errno: errno?.name, cause: cause)
    }

    private func explained(_ failure: LoadFailure, _ map: String) -> Problem {
        let errno = failure.errno
        if failure.stage == .deadline {
            return Problem(
                .attachRefused,
                "The kernel did not answer in time: its lock for struct_ops is taken, and a reboot "
                    + "alone frees it.", cause: failure)
        }
        switch errno {
        case .eexist?, .ebusy?: return taken(map, errno, failure)
        case .einval?:
            return Problem(
                .hostLacks,
                "This kernel does not take a link for \(map). It needs kernel 6.4, and all the "
                    + "members that the structure must have.", errno: errno?.name, cause: failure)
        default:
            return Problem(
                .attachRefused, "The kernel refused \(map): \(failure.message).",
                errno: errno?.name, cause: failure)
        }
    }
}
