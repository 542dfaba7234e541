internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A walk over something of the kernel's: `GET /v1/probes/{id}/output` reads what it prints.
struct IteratorKind: AttachKind {
    let name = "iter"
    let members = [AttachMember("target", .text), AttachMember("map", .text)]
    let sections = ["iter", "iter.s"]
    let isUpdatable = true

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "tracing" && function.expects(.traceIter)
    }

    func fixed(for function: LoadReport.Function) -> JSONObject {
        var members = JSONObject()
        members["target"] = function.target.map { .string($0) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [.iterator(mapID: try site.text("map").map(site.mapID(named:)))]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        guard error.errno == .einval || error.errno == .ebadf else { return nil }
        let target = site.function.target ?? ""
        let walksMap = target == "bpf_map_elem" || target == "bpf_sk_storage_map"
        guard walksMap || site.text("map") != nil else { return nil }
        return Problem(
            .attachRefused,
            site.text("map") == nil
                ? "iter/\(target) walks a map: name it in attach as \"map\"."
                : "iter/\(target) does not walk map \(site.text("map") ?? ""): its type, or the "
                    + "sizes that the function reads, do not fit.",
            errno: error.errno.name, pointer: "/attach/map", cause: error)
    }
}
