internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// A function and a document on their way into the kernel: what a kind needs to find its place.
struct AttachSite: Sendable {
    let document: AttachDocument
    let function: LoadReport.Function
    let program: LoadedProgram
    let node: Node
    /// The name of the pin to be.
    var pin = ""
    /// What is open while the site is attached to.
    let files = OpenFiles()
    /// Of whoever asks; here, since another network namespace is entered by another thread.
    let onlooker = Onlooker.scope

    func text(_ name: String) -> String? { document.members[name]?.string }
    func unsigned(_ name: String) -> UInt64? { document.members[name]?.uint64 }
    func integer(_ name: String) -> Int? { document.members[name]?.int }
    func isSet(_ name: String) -> Bool { document.members[name]?.bool ?? false }
    func texts(_ name: String) -> [String]? {
        document.members[name]?.array.map { $0.compactMap(\.string) }
    }
    var processID: Int32? { unsigned("pid").flatMap { Int32(exactly: $0) } }

    /// Nothing of this name is there to attach to.
    func missing(_ detail: String, _ member: String, near: [String] = [], errno: Errno = .enoent)
        -> Problem
    {
        Problem(
            .targetNotFound, detail, errno: errno.name, pointer: "/attach/\(member)",
            hint: near.isEmpty ? nil : "Near it: " + near.joined(separator: ", ") + ".")
    }

    /// The kernel has no such kind of attachment.
    func hostLacks(_ needs: String, _ error: BPFError) -> Problem {
        var problem = Problem.hostLacks(
            document.kind.name, "\(error.call) gave \(error.errno)", needs: needs,
            errno: error.errno.name, cause: error)
        problem.libbpfLog = error.log
        return problem
    }

    /// Somebody else has a place that is given once.
    /// - Parameter link: the holder's id, where the kernel tells it.
    func busy(_ place: String, link: UInt32?, program holder: UInt32?, _ error: BPFError)
        -> Problem
    {
        var who = "somebody that the kernel does not name"
        var probe = link.flatMap(node.probe(holdingLink:)) ?? holder.flatMap(node.probe(ofFilter:))
        if let id = probe, !shows(probe: id) { probe = nil }
        if let probe {
            who = "probe \(probe)" + (link.map { " (link \($0))" } ?? "")
        } else if let link {
            who = "link \(link)" + (holder.map { " of program \($0)" } ?? "")
        } else if let holder {
            who = "program \(holder), attached without a link"
        }
        var problem = Problem(
            .attachBusy, "\(place) is held by \(who): detach that first.",
            errno: error.errno.name, cause: error)
        if let link { problem.members["holder_id"] = .number(Int64(link)) }
        if let holder { problem.members["holder_program_id"] = .number(Int64(holder)) }
        if let probe { problem.members["holder_probe"] = .text(probe) }
        return problem
    }

    /// Whether whoever asks may know of a probe.
    func shows(probe id: String) -> Bool {
        node.program(ofProbe: id).map { node.contains(onlooker, program: $0) } ?? false
    }

    /// The first link in the kernel that is as asked.
    func link(where isHolder: (LinkInfo) -> Bool) -> LinkInfo? {
        let ids: [UInt32]
        // Who cannot list links is told of the refusal without a name.
        do { ids = try Inventory.linkIDs() } catch { return nil }
        for id in ids {
            // A link may go while the list is walked.
            if let info = try? Link(id: id).info(), isHolder(info) { return info }
        }
        return nil
    }
}

extension Problem {
    /// - Parameters:
    ///   - reason: a clause: which call answered what.
    ///   - needs: what the kernel or host would have to have.
    static func hostLacks(
        _ kind: String, _ reason: String, needs: String?, errno: String?, cause: (any Error)? = nil
    ) -> Problem {
        Problem(
            .hostLacks,
            "This host cannot attach \(kind): \(reason)."
                + (needs.map { " It needs \($0)." } ?? ""), errno: errno, cause: cause)
    }
}

extension Node {
    /// The probe that one of our links belongs to.
    func probe(holdingLink id: UInt32) -> String? {
        state.withLock { state in
            state.probes.values.first { $0.attachment?.linkIDs.contains(id) == true }?.row.id
        }
    }

    /// The probe by which a function is attached where the kernel makes no link.
    func probe(ofFilter programID: UInt32) -> String? {
        state.withLock { state in
            state.probes.values.first { record in
                guard let attachment = record.attachment, attachment.linkIDs.isEmpty else {
                    return false
                }
                return state.programs[record.row.program]?.loaded?
                    .kernelIDs[record.row.function] == programID
            }?.row.id
        }
    }

    /// The path of a namespace by its name, or the path itself.
    /// - Throws: `target_not_found` with near names.
    func namespacePath(_ name: String) throws(Problem) -> String {
        let isPath = name.contains("/")
        guard !isPath || name.hasPrefix("/") else {
            throw Problem(
                .invalidMember,
                "netns \"\(name)\" is neither a name below \(NetworkNamespace.directory) nor an "
                    + "absolute path.", pointer: "/attach/netns")
        }
        let path = isPath ? name : NetworkNamespace.directory + "/" + name
        guard name != ".", name != "..", FileSystem.exists(path) else {
            // No directory: no names.
            let names = (try? FileSystem.list(NetworkNamespace.directory)) ?? []
            let near = isPath ? [] : NearMatches.find(name, among: names)
            throw Problem(
                .targetNotFound, "There is no network namespace \(path).", errno: "ENOENT",
                pointer: "/attach/netns",
                hint: near.isEmpty ? nil : "Near it: " + near.joined(separator: ", ") + ".")
        }
        return path
    }
}
