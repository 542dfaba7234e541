internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// Functions that stand in for a structure of the kernel's. Known, and refused: an update of such a
/// link to the map that it holds is a kernel BUG (6.18, tcp_congestion_ops: `list_add double add`)
/// that leaves the lock taken and hangs every later call, unkillably, until the next boot.
struct StructOpsKind: AttachKind {
    let name = "struct_ops"
    let members = [AttachMember("map", .text)]
    let sections = ["struct_ops", "struct_ops.s"]

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "struct_ops" }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        throw Problem(
            .hostLacks,
            "Attaching struct_ops is not offered by this release: a slip in it hangs the "
                + "kernel until "
                + "the next boot. The functions can be loaded, and another program can register "
                + "the map."
        )
    }
}
