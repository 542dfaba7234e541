internal import BPF
internal import JSON
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
        let map = try site.structOpsMap(named: name)
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

    private func explained(_ failure: LoadFailure, _ map: String) -> Problem {
        let errno = failure.errno
        if failure.stage == .deadline {
            return Problem(
                .attachRefused,
                "The kernel did not answer in time: its lock for struct_ops is taken, and a reboot "
                    + "alone frees it.", cause: failure)
        }
        switch errno {
        case .eexist?, .ebusy?:
            return Problem(
                .attachBusy,
                "A structure of the name in \(map) is registered already: detach it first, or give "
                    + "this one another name.", errno: errno?.name, cause: failure)
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
