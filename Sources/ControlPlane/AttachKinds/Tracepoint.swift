internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A static place in the kernel, with its record's layout from tracefs.
struct TracepointKind: AttachKind {
    let name = "tracepoint"
    let members = [AttachMember("category", .text), AttachMember("name", .text), .cookie]
    let needs = [["category"], ["name"]]
    let sections = ["tracepoint", "tp"]

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "tracepoint" }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        let parts = rest.split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { return JSONObject() }
        var members = JSONObject()
        members["category"] = .string(String(parts[0]))
        members["name"] = .string(String(parts[1]))
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [.tracepoint(category: site.text("category") ?? "", name: site.text("name") ?? "")]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        if error.errno == .enodev { return site.hostLacks("tracefs and CONFIG_FTRACE", error) }
        guard error.errno == .enoent else { return nil }
        let category = site.text("category") ?? ""
        let name = site.text("name") ?? ""
        let (member, near) = wrong(category, name)
        return site.missing(
            "This kernel has no tracepoint \(category)/\(name).", member, near: near)
    }

    /// Which of the two there is none of, and what is near it.
    private func wrong(_ category: String, _ name: String) -> (member: String, near: [String]) {
        // Where tracefs cannot be listed there is nothing to suggest.
        do {
            let categories = try Tracepoints.categories()
            guard categories.contains(category) else {
                return ("category", NearMatches.find(category, among: categories))
            }
            let names = try Tracepoints.names(category: category)
            return ("name", NearMatches.find(name, among: names).map { "\(category)/\($0)" })
        } catch {
            return ("name", [])
        }
    }
}
