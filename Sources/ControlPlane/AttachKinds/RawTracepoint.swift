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
        guard error.errno == .enoent else { return nil }
        let name = site.text("name") ?? ""
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
