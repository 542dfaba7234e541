internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// Packets of an interface, in the order that `before` and `after` make.
struct TCXKind: AttachKind {
    let name = "tcx"
    let members = [
        AttachMember.interface, .direction, AttachMember("before", .neighbour),
        AttachMember("after", .neighbour), .namespace,
    ]
    let needs = [["interface"], ["direction"]]
    let excludes = [["before", "after"]]
    let sections = ["tcx"]
    let isUpdatable = true

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "sched_cls" }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if rest == "ingress" || rest == "egress" { members["direction"] = .string(rest) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [
            .tcx(
                interfaceIndex: try site.interfaceIndex(),
                isIngress: site.text("direction") == "ingress", place: try site.linkPlace())
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let needs = "kernel 6.6 and CONFIG_NET_XGRESS; kind tc works on every kernel"
        return error.errno == .einval
            ? site.hostLacks(needs, error) : site.explainInterface(error, needs: needs)
    }
}
