internal import BPF
internal import Linux

/// How a link of ours is, against what its row says.
enum LinkCondition: Sendable, Hashable {
    case sound
    /// What it was attached to is not there any more: which, for the person who asks.
    case targetGone(String)
    /// Somebody cut it from its target, which is still there.
    case cut(String)
    /// Somebody put another function in it.
    case exchanged(programID: UInt32)
}

extension Node {
    /// Asks the kernel. A link that does not answer is one whose target cannot be told: sound.
    func condition(
        of info: LinkInfo, _ document: AttachDocument, target: String, function kernelID: UInt32
    ) -> LinkCondition {
        let place = PlaceOnHost(document, self)
        switch info.place {
        case .interface(index: 0):
            let name = document.members["interface"]?.string ?? ""
            return place.isThere
                ? .cut("interface \(name)") : .targetGone("Interface \(name) is gone.")
        case .networkNamespace(inode: 0, _):
            return place.isThere ? .cut("its network namespace") : .targetGone(place.missing)
        case .map(id: 0, _):
            return .cut("its map")
        case .cgroup(let id):
            let path = document.members["path"]?.string ?? ""
            let now: UInt64?
            // A cgroup that has gone has no inode.
            do { now = try FileSystem.identity(path).inode } catch { now = nil }
            if id == 0 { return now == nil ? .targetGone(place.missing) : .cut("cgroup \(path)") }
            if now != id {
                return .targetGone(
                    "Cgroup \(path) is gone" + (now == nil ? "." : ": another has its name."))
            }
        default: break
        }
        if !target.isEmpty, target != place.fileIdentity {
            let file = document.members["binary"]?.string ?? ""
            return .targetGone(
                place.isThere
                    ? "The file \(file) that was probed is gone: another has its name."
                    : place.missing)
        }
        // A link of struct_ops holds a map, and no program.
        if info.typeName == "struct_ops" { return .sound }
        return info.programID == kernelID ? .sound : .exchanged(programID: info.programID)
    }
}

/// The place that a document names, looked for without attaching anything.
struct PlaceOnHost {
    private let document: AttachDocument
    private let node: Node

    init(_ document: AttachDocument, _ node: Node) {
        self.document = document
        self.node = node
    }

    /// True too where it cannot be told without trying.
    var isThere: Bool {
        if let path = text("path") { return FileSystem.kind(path) == .directory }
        if let binary = text("binary") { return FileSystem.exists(root + binary) }
        guard let namespace = text("netns") else { return hasInterface }
        // One that has gone cannot be entered.
        guard let path = try? node.namespacePath(namespace) else { return false }
        let probe = self
        return (try? NetworkNamespace.within(path) { probe.hasInterface }) ?? false
    }

    /// What tells the file of a uprobe from another with its path; empty: it is in none, or gone.
    var fileIdentity: String {
        guard let binary = text("binary") else { return "" }
        // One that is gone has no identity.
        return (try? FileSystem.lastingIdentity(root + binary)) ?? ""
    }

    /// A sentence for when it is not there.
    var missing: String {
        if let path = text("path") { return "Cgroup \(path) is gone." }
        if let binary = text("binary") { return "There is no file \(binary)." }
        let namespace = text("netns").map { " in network namespace \($0)" } ?? ""
        if let name = text("interface") { return "Interface \(name)\(namespace) is gone." }
        return "The network namespace\(text("netns").map { " " + $0 } ?? "") is gone."
    }

    private var hasInterface: Bool {
        guard let name = text("interface") else { return true }
        return NetworkInterface.index(of: name) != nil
    }

    /// Where a process's own files are seen from here.
    private var root: String {
        document.members["pid"]?.uint64.map { "/proc/\($0)/root" } ?? ""
    }

    private func text(_ name: String) -> String? { document.members[name]?.string }
}

extension AttachKind {
    /// Whether somebody can cut, exchange or outlive such a link without any event that we could
    /// wait for: then it is looked at every so often.
    var isLookedAfter: Bool {
        members.contains { ["interface", "path", "netns", "binary", "map"].contains($0.name) }
    }
}
