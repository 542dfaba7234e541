internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A tracepoint's own arguments, before they become a record.
struct RawTracepointKind: AttachKind {
    let name = "raw_tracepoint"
    let members = [AttachMember("name", .text), AttachMember.cookie]
    let needs = [["name"]]
    let sections = ["raw_tracepoint", "raw_tp", "raw_tracepoint.w", "raw_tp.w"]

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type.hasPrefix("raw_tracepoint")
    }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if !rest.isEmpty { members["name"] = .string(rest) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [.rawTracepoint(name: site.text("name") ?? "")]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let name = site.text("name") ?? ""
        if error.errno == .einval, site.unsigned("cookie") == nil {
            // kernel/trace/bpf_trace.c, __bpf_probe_register: max_ctx_offset.
            return Problem(
                .attachRefused,
                "The function reads an argument that raw tracepoint \(name) does not have, or "
                    + "writes to one that cannot be written.",
                errno: error.errno.name, pointer: "/attach/name", cause: error)
        }
        guard error.errno == .enoent else { return nil }
        var problem = site.missing("This kernel has no raw tracepoint \(name).", "name")
        let near = near(name)
        problem.hint =
            near.isEmpty
            ? "Raw tracepoints have the name after the group: sys_enter, sched_switch."
            : "Near it: " + near.joined(separator: ", ") + "."
        return problem
    }

    private func near(_ name: String) -> [String] {
        // Where tracefs cannot be listed there is nothing to suggest.
        do {
            var names: [String] = []
            for category in try Tracepoints.categories() {
                names += try Tracepoints.names(category: category)
            }
            return NearMatches.find(name, among: names)
        } catch {
            return []
        }
    }
}
