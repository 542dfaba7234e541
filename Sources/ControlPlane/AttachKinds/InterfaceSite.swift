internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

// What xdp, tcx, tc and netkit share: an interface of the calling thread's network namespace, and
// neighbours there.
extension AttachMember {
    static let interface = AttachMember("interface", .text)
    static let direction = AttachMember("direction", .choice(["ingress", "egress"]))
}

extension AttachSite {
    /// - Throws: `target_not_found` with near names.
    func interfaceIndex() throws(Problem) -> UInt32 {
        let name = text("interface") ?? ""
        if let index = NetworkInterface.index(of: name) { return index }
        let place = text("netns").map { " in netns \($0)" } ?? ""
        throw missing(
            "There is no interface \(name)\(place).", "interface",
            near: NearMatches.find(name, among: NetworkInterface.names()), errno: .enodev)
    }

    /// Where the function comes to stand: `before` or `after` another, else last.
    func linkPlace() throws(Problem) -> LinkPlace {
        if let id = try neighbour("before") { return .before(programID: id) }
        if let id = try neighbour("after") { return .after(programID: id) }
        return .last
    }

    private func neighbour(_ member: String) throws(Problem) -> UInt32? {
        if let id = unsigned(member) { return UInt32(exactly: id) }
        guard let probe = text(member) else { return nil }
        let (all, kernelID) = node.state.withLock { state -> ([String], UInt32?) in
            let record = state.probes[probe].flatMap { $0.attachment == nil ? nil : $0 }
            let program = record.flatMap { state.programs[$0.row.program]?.loaded }
            return (
                Array(state.probes.keys),
                record.flatMap { program?.kernelIDs[$0.row.function] }
            )
        }
        let known = all.filter(shows(probe:))
        guard let kernelID, known.contains(probe) else {
            throw missing(
                "There is no attached probe \(probe) to stand \(member).", member,
                near: NearMatches.find(probe, among: known))
        }
        return kernelID
    }

    /// What tcx and netkit are refused with.
    func explainInterface(_ error: BPFError, needs: String) -> Problem? {
        switch error.errno {
        case .enoent, .estale:
            let member = document.members["before"] == nil ? "after" : "before"
            return missing(
                "The program to stand \(member) is not at this interface and direction.", member,
                errno: error.errno)
        case .enodev:
            return missing(
                "The interface \(text("interface") ?? "") is gone.", "interface", errno: .enodev)
        case .eopnotsupp where error.log == nil: return hostLacks(needs, error)
        case .erange, .enospc:
            return Problem(
                .attachBusy,
                "The interface \(text("interface") ?? "") has as many programs as the kernel "
                    + "takes.",
                errno: error.errno.name, cause: error)
        default: return nil
        }
    }
}
