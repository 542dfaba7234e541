internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A classifier in an interface's clsact: the way of kernels before tcx. It is no link, and lives
/// in the interface.
struct TrafficControlKind: AttachKind {
    let name = "tc"
    let members = [
        AttachMember.interface, .direction, AttachMember("priority", .unsigned(1...65535)),
        .namespace,
    ]
    let needs = [["interface"], ["direction"]]
    let sections = ["tc", "classifier", "action"]
    let isUpdatable = true
    let linkTypeName = "tc"

    /// What the kernel itself begins with where no priority is asked for (cls_api.c).
    static let usualPriority: UInt64 = 0xC000

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "sched_cls" }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        TCXKind().members(ofSection: section, rest)
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] { [] }

    func resident(at site: AttachSite, handle: UInt32, namespace: String?) throws(Problem)
        -> Resident?
    {
        let filter = TrafficControlFilter(
            interfaceIndex: try site.interfaceIndex(),
            isIngress: site.text("direction") == "ingress",
            priority: UInt32(clamping: site.unsigned("priority") ?? Self.usualPriority),
            handle: handle)
        return .filter(HeldFilter(filter, namespace: namespace))
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let name = site.text("interface") ?? ""
        switch error.errno {
        case .enodev:
            return site.missing("The interface \(name) is gone.", "interface", errno: .enodev)
        case .enoent, .eopnotsupp:
            return site.hostLacks("CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS", error)
        case .einval:
            return Problem(
                .attachBusy,
                "Priority \(site.unsigned("priority") ?? Self.usualPriority) of \(name) belongs to "
                    + "filters of another kind: give another priority.",
                errno: error.errno.name, pointer: "/attach/priority", cause: error)
        default: return nil
        }
    }
}
