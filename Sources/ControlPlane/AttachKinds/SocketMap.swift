internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// sk_skb and sk_msg: what the sockets in a sockmap or sockhash receive and send. Once for a map
/// and attach type. Before 6.10 there is no link, and the function lives in the map.
struct SocketMapKind: AttachKind {
    let name: String
    let members = [AttachMember("map", .text)]
    let needs = [["map"]]
    var sections: [String] { [name] }
    let isUpdatable = true

    static let skSkb = SocketMapKind(name: "sk_skb")
    static let skMsg = SocketMapKind(name: "sk_msg")

    func fits(_ function: LoadReport.Function) -> Bool { function.type == name }

    /// sk_skb alone, without `/stream_verdict`, leaves the type open: the verdict is what it is
    /// for.
    private func type(of function: LoadReport.Function) -> AttachType {
        if function.expectedAttachType != 0 {
            return AttachType(rawValue: function.expectedAttachType)
        }
        return name == "sk_msg" ? .skMsgVerdict : .skSkbStreamVerdict
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [
            .socketMap(
                id: try site.mapID(named: site.text("map") ?? ""), type: type(of: site.function))
        ]
    }

    /// The kernel itself would put the function in another's place without a word.
    func resident(at site: AttachSite, handle: UInt32, namespace: String?) throws(Problem)
        -> Resident?
    {
        let type = type(of: site.function)
        guard let function = site.program.functions[site.function.name],
            let id = site.program.kernelIDs[site.function.name], !function.canLinkSocketMap(type)
        else { return nil }
        let map = site.text("map") ?? ""
        let place = SocketMapPlace(mapID: try site.mapID(named: map), type: type)
        if let holder = holder(of: place, site) {
            throw site.busy(
                "The \(name) place of map \(map)", link: nil, program: holder,
                BPFError("bpf_prog_query", .ebusy))
        }
        return .socketMap(HeldSocketMap(place, programIDs: [id]))
    }

    /// The program that is there, where the kernel tells it (5.18) or it is ours.
    private func holder(of place: SocketMapPlace, _ site: AttachSite) -> UInt32? {
        if case .runs(let programID) = place.presence() { return programID }
        let probe = site.node.state.withLock { state in
            state.probes.values.first { record in
                record.attachment?.residents.contains { resident in
                    guard case .socketMap(let held) = resident else { return false }
                    return held.place == place
                } == true
            }
        }
        return probe?.attachment?.info.programID
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let map = site.text("map") ?? ""
        switch error.errno {
        case .ebusy, .eexist:
            let id: UInt32?
            // A map that has gone meanwhile has no holder.
            do { id = try site.mapID(named: map) } catch { id = nil }
            let type = type(of: site.function)
            let link = site.link { $0.place == .map(id: id ?? 0, type: type) }
            return site.busy(
                "The \(name) place of map \(map)", link: link?.id, program: link?.programID, error)
        case .einval where error.log == nil, .eopnotsupp where error.log == nil:
            let isSocketMap = (try? site.mapType(named: map))  // gone meanwhile: not known
                .map { $0 == .sockmap || $0 == .sockhash }
            if isSocketMap == true {
                return site.hostLacks("CONFIG_NET_SOCK_MSG, CONFIG_BPF_STREAM_PARSER", error)
            }
            return Problem(
                .attachRefused, "Map \(map) is no sockmap and no sockhash.",
                errno: error.errno.name, pointer: "/attach/map", cause: error)
        default: return nil
        }
    }
}
