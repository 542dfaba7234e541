internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Registry

/// A stored report, read back.
struct JSONReport {
    let report: LoadReport?

    init(_ text: String) throws {
        report = LoadReport(json: try JSONValue.parse(text))
    }
}

extension Verification {
    /// Each probe's links by their pins, then the kernel's list against them.
    mutating func checkProbes(_ rows: [ProbeRow]) {
        var accounted: Set<UInt32> = []
        for row in rows {
            let subject = "probes/\(row.id)"
            switch row.state {
            case .failed:
                let why = StoredProblem.problem(row.problem)?.detail ?? "?"
                add(.note, subject, "is failed: \(why)")
                accounted.formUnion(row.linkIDs)
            case .deleting: add(.unfinished, subject, "is being deleted")
            case .active where row.enabled && row.bootID != bootID:
                add(.unfinished, subject, "was attached in another boot and is not yet in this")
            case .active where row.enabled: accounted.formUnion(checkLinks(of: row, subject))
            case .active:
                if pins(of: row).contains(where: { FileSystem.exists($0) }) {
                    add(.wrong, subject, "is disabled and has a pin, \(row.pin)")
                }
            }
        }
        checkKernelsList(accounted)
    }

    private func pins(of row: ProbeRow) -> [String] {
        let base = bpffs + "/" + row.pin
        guard row.linkIDs.count > 1 else { return [base] }
        return row.linkIDs.indices.map { "\(base)_\($0)" }
    }

    /// - Returns: the ids of the links that are the probe's.
    private mutating func checkLinks(of row: ProbeRow, _ subject: String) -> Set<UInt32> {
        guard let document = try? AttachDocument(stored: row.attach) else {
            add(.wrong, subject, "the row's attach document cannot be read")
            return []
        }
        let wanted = functions.first { $0.value == (row.program, row.function) }?.key
        guard let wanted else {
            add(.wrong, subject, "is active, and no function \(row.function) of \(row.program) is")
            return []
        }
        var found: Set<UInt32> = []
        for path in pins(of: row) {
            if FileSystem.kind(path) == .symbolicLink {
                checkNote(path, wanted, subject)
                continue
            }
            // What does not open is no link of ours.
            guard let link = try? Link(pinned: path), let info = try? link.info() else {
                // Before 5.15 there is nothing to pin of a perf event.
                let isPinless = row.linkIDs.isEmpty && document.kind.linkTypeName == "perf_event"
                add(
                    isPinless ? .note : .wrong, subject,
                    isPinless
                        ? "is held by the daemon alone: its kernel has no link for it"
                        : "has no link pinned at \(path)")
                continue
            }
            found.insert(info.id)
            count(links: 1)
            if !row.linkIDs.isEmpty, !row.linkIDs.contains(info.id) {
                add(.wrong, subject, "\(path) is link \(info.id), not one of \(row.linkIDs)")
            }
            // A link of struct_ops holds a map, and no program.
            if info.programID != wanted, info.typeName != "struct_ops" {
                add(
                    .wrong, subject,
                    "link \(info.id) runs program \(info.programID), and \(row.function) is "
                        + "program \(wanted)")
            }
            if let why = Target(document).difference(from: link, info) {
                add(.wrong, subject, "link \(info.id): \(why)")
            }
        }
        return found
    }

    private mutating func checkNote(_ path: String, _ wanted: UInt32, _ subject: String) {
        // What cannot be read names nothing.
        guard let text = try? FileSystem.resolve(path), let resident = Resident(text: text) else {
            add(.wrong, subject, "\(path) names nothing that is attached")
            return
        }
        switch resident.presence() {
        case .runs(wanted), .unnamed: count(links: 1)
        case .runs(let other):
            add(
                .wrong, subject,
                "\"\(text)\" runs program \(other), and its function is program \(wanted)")
        case .gone:
            add(.wrong, subject, "\"\(text)\" is not attached any more")
        }
    }

    /// A link that runs a function of ours and is no probe's counts twice, or is somebody else's.
    private mutating func checkKernelsList(_ accounted: Set<UInt32>) {
        guard let ids = try? Inventory.linkIDs() else {
            add(.note, "kernel", "does not list links, so doubles are not looked for")
            return
        }
        for id in ids where !accounted.contains(id) {
            // One that goes while the list is walked is none.
            guard let info = try? Link(id: id).info(), let mine = functions[info.programID] else {
                continue
            }
            add(
                .wrong, "links/\(id)",
                "runs \(mine.program).\(mine.function) (program \(info.programID)) and is no "
                    + "probe's")
        }
    }
}

/// Where a document says a link is, against where the kernel says it is.
private struct Target {
    let document: AttachDocument

    init(_ document: AttachDocument) { self.document = document }

    /// nil: it is there, or the kernel does not tell.
    func difference(from link: Link, _ info: LinkInfo) -> String? {
        switch info.place {
        case .interface(let index): return interface(index)
        case .networkNamespace(let inode, _): return namespace(inode)
        case .cgroup(let id): return cgroup(id)
        case .netfilter(_, _, let priority):
            guard let wanted = document.members["priority"]?.int, wanted != Int(priority) else {
                return nil
            }
            return "has priority \(priority), not \(wanted)"
        case .map, .tracing, .other: break
        }
        // Kernels that do not tell are not asked more.
        guard let target = try? link.target() else { return nil }
        switch target {
        case .tracepoint(let name), .rawTracepoint(let name): return names(name, "name", "target")
        case .kprobe(let function, _, _):
            return document.members["symbol"] == nil ? nil : names(function, "symbol")
        case .uprobe(let file, let offset, _): return uprobe(file, offset)
        }
    }

    private func names(_ actual: String, _ members: String...) -> String? {
        for member in members {
            guard let wanted = document.members[member]?.string else { continue }
            return wanted == actual ? nil : "is at \(actual), not at \(wanted)"
        }
        return nil
    }

    private func uprobe(_ file: String, _ offset: UInt32) -> String? {
        if file.hasSuffix(" (deleted)") { return "its file is gone: \(file)" }
        if document.members["symbol"] == nil, let wanted = document.members["offset"]?.uint64,
            wanted != UInt64(offset)
        {
            return "is at offset \(offset), not \(wanted)"
        }
        // With a pid the path may be another mount namespace's.
        guard document.members["pid"] == nil, let binary = document.members["binary"]?.string,
            let wanted = try? FileSystem.identity(binary),
            let actual = try? FileSystem.identity(file), wanted.inode != actual.inode
        else { return nil }
        return "is in \(file), not in \(binary)"
    }

    private func interface(_ index: UInt32) -> String? {
        let name = document.members["interface"]?.string ?? ""
        if index == 0 { return "is attached to nothing any more (interface \(name))" }
        let actual: UInt32?
        if let namespace = document.members["netns"]?.string {
            let path =
                namespace.contains("/") ? namespace : NetworkNamespace.directory + "/" + namespace
            // A namespace that has gone has no interfaces.
            actual = try? NetworkNamespace.within(path) { NetworkInterface.index(of: name) }
        } else {
            actual = NetworkInterface.index(of: name)
        }
        return actual == index
            ? nil : "is at interface \(index), and \(name) is \(actual.map { "\($0)" } ?? "gone")"
    }

    private func namespace(_ inode: UInt32) -> String? {
        if inode == 0 { return "is attached to nothing any more (network namespace)" }
        guard let name = document.members["netns"]?.string else { return nil }
        let path = name.contains("/") ? name : NetworkNamespace.directory + "/" + name
        // One that has gone has no inode.
        let wanted = (try? FileSystem.identity(path))?.inode
        return wanted == UInt64(inode) ? nil : "is in namespace \(inode), and \(path) is another"
    }

    private func cgroup(_ id: UInt64) -> String? {
        let path = document.members["path"]?.string ?? ""
        if id == 0 { return "is attached to nothing any more (cgroup \(path))" }
        // One that has gone has no inode.
        let wanted = (try? FileSystem.identity(path))?.inode
        return wanted == id
            ? nil : "is at cgroup \(id), and \(path) is \(wanted.map { "\($0)" } ?? "gone")"
    }
}
