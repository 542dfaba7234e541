internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// sk_lookup and flow_dissector: functions of a whole network namespace, the daemon's own where
/// none is named.
struct NamespaceKind: AttachKind {
    let name: String
    let attachType: AttachType
    let hostNeeds: String
    let members = [AttachMember.namespace]
    var sections: [String] { [name] }
    let isUpdatable = true
    let entersNamespace = false

    static let skLookup = NamespaceKind(
        name: "sk_lookup", attachType: .skLookup, hostNeeds: "kernel 5.9")
    static let flowDissector = NamespaceKind(
        name: "flow_dissector", attachType: .flowDissector, hostNeeds: "kernel 5.8")

    func fits(_ function: LoadReport.Function) -> Bool { function.type == name }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [.networkNamespace(path: try path(site), type: attachType)]
    }

    private func path(_ site: AttachSite) throws(Problem) -> String {
        guard let name = site.text("netns") else { return "/proc/self/ns/net" }
        return try site.node.namespacePath(name)
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let place = site.text("netns").map { "netns \($0)" } ?? "the daemon's network namespace"
        switch error.errno {
        case .e2big where attachType == .flowDissector, .eexist, .ebusy:
            let inode: UInt64?
            // A namespace that has gone meanwhile has no holder.
            do { inode = try FileSystem.identity(try path(site)).inode } catch { inode = nil }
            let number = UInt32(truncatingIfNeeded: inode ?? 0)
            let link = site.link {
                $0.place == .networkNamespace(inode: number, type: attachType)
            }
            return site.busy(
                "The \(name) of \(place)", link: link?.id, program: link?.programID, error)
        case .e2big:
            return Problem(
                .attachBusy, "\(place) has as many \(name) functions as the kernel takes, 64.",
                errno: error.errno.name, cause: error)
        case .einval where site.text("netns") != nil:
            return Problem(
                .attachRefused, "\(site.text("netns") ?? "") is no network namespace.",
                errno: error.errno.name, pointer: "/attach/netns", cause: error)
        case .einval: return site.hostLacks(hostNeeds, error)
        default: return nil
        }
    }
}
