internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A netkit device, at its own or its peer's end.
struct NetkitKind: AttachKind {
    let name = "netkit"
    let members = [
        AttachMember.interface, AttachMember("side", .choice(["primary", "peer"])),
        AttachMember("before", .neighbour), AttachMember("after", .neighbour), .namespace,
    ]
    let needs = [["interface"]]
    let excludes = [["before", "after"]]
    let sections = ["netkit"]
    let isUpdatable = true

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "sched_cls" }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if rest == "primary" || rest == "peer" { members["side"] = .string(rest) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [
            .netkit(
                interfaceIndex: try site.interfaceIndex(), isPeer: site.text("side") == "peer",
                place: try site.linkPlace())
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let needs = "kernel 6.7 and CONFIG_NETKIT"
        switch error.errno {
        case .einval: return site.hostLacks(needs, error)
        case .enxio, .eacces:
            let why =
                error.errno == .enxio
                ? "is no netkit device" : "is the peer's end: name the primary one"
            return Problem(
                .attachRefused, "The interface \(site.text("interface") ?? "") \(why).",
                errno: error.errno.name, pointer: "/attach/interface", cause: error)
        default: return site.explainInterface(error, needs: needs)
        }
    }
}
