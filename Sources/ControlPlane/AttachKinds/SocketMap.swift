internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// sk_skb and sk_msg: what the sockets in a sockmap or sockhash receive and send. Once for a map
/// and attach type.
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
            if isSocketMap == true { return site.hostLacks("kernel 6.10", error) }
            return Problem(
                .attachRefused, "Map \(map) is no sockmap and no sockhash.",
                errno: error.errno.name, pointer: "/attach/map", cause: error)
        default: return nil
        }
    }
}
