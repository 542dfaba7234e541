internal import CLibbpf
internal import Linux
internal import Synchronization

extension HostProbe {
    /// The kinds that touch packets, in a network namespace that is made for it and that has only
    /// a loopback interface, number 1, which is down.
    static func inOwnNetwork() -> [Ability] {
        let found = Box()
        do {
            let thread = try NamedThread("apiary-probe") {
                let result = apiary_unshare_network()
                found.put(networkKinds(unshared: result == 0 ? nil : Errno.current))
            }
            thread.join()
        } catch {
            return networkKinds(unshared: error)
        }
        return found.take()
    }

    private final class Box: Sendable {
        private let rows = Mutex<[Ability]>([])
        func put(_ rows: [Ability]) { self.rows.withLock { $0 = rows } }
        func take() -> [Ability] { rows.withLock { $0 } }
    }

    private static func networkKinds(unshared failure: Errno?) -> [Ability] {
        let trials: [(kind: String, needs: String, () throws(BPFError) -> Void)] = [
            ("xdp", "kernel 5.9", { () throws(BPFError) in try xdp() }),
            ("tcx", "kernel 6.6, CONFIG_NET_XGRESS", { () throws(BPFError) in try tcx() }),
            (
                "tc", "CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS",
                { () throws(BPFError) in try trafficControl() }
            ),
            ("netkit", "kernel 6.7, CONFIG_NETKIT", { () throws(BPFError) in try netkit() }),
            ("cgroup", "kernel 5.7, CONFIG_CGROUP_BPF", { () throws(BPFError) in try cgroup() }),
            ("sk_lookup", "kernel 5.9", { () throws(BPFError) in try skLookup() }),
            ("flow_dissector", "kernel 5.8", { () throws(BPFError) in try flowDissector() }),
            (
                "sk_skb", socketMapNeeds,
                { () throws(BPFError) in try socketMap(.skSkb, .skSkbStreamVerdict) }
            ),
            (
                "sk_msg", socketMapNeeds,
                { () throws(BPFError) in try socketMap(.skMsg, .skMsgVerdict) }
            ),
            (
                "netfilter", "kernel 6.4, CONFIG_NETFILTER_BPF_LINK",
                { () throws(BPFError) in try netfilter() }
            ),
        ]
        return trials.map { kind, needs, attempt in
            if let failure {
                return unknown(
                    kind, "no network namespace to try it in: \(failure.name)", needs: needs)
            }
            return row(kind, needs: needs, attempt)
        }
    }

    private static func xdp() throws(BPFError) {
        // 2, XDP_PASS; generic mode, which every interface has.
        try attach(TinyProgram(type: .xdp, result: 2), .xdp(interfaceIndex: 1, flags: 2))
    }

    private static func tcx() throws(BPFError) {
        try attach(
            TinyProgram(type: .schedCls),
            .tcx(interfaceIndex: 1, isIngress: true, place: .last))
    }

    private static func netkit() throws(BPFError) {
        do {
            try attach(
                TinyProgram(type: .schedCls),
                .netkit(interfaceIndex: 1, isPeer: false, place: .last))
        } catch {
            // A kernel with netkit says of the loopback interface that it is none.
            guard error.errno.name == "ENXIO" else { throw error }
        }
    }

    private static func cgroup() throws(BPFError) {
        do {
            _ = unsafe try TinyProgram(
                type: .cgroupSkb, attachType: .cgroupInetEgress, result: 1
            ).load().createLink(target: -1, .cgroupInetEgress)
        } catch {
            // A kernel with cgroup links gets as far as looking at the descriptor.
            guard error.errno == .ebadf else { throw error }
        }
    }

    private static func skLookup() throws(BPFError) {
        try attach(
            TinyProgram(type: .skLookup, attachType: .skLookup, result: 1),
            .networkNamespace(path: "/proc/thread-self/ns/net", type: .skLookup))
    }

    private static func flowDissector() throws(BPFError) {
        do {
            try attach(
                TinyProgram(type: .flowDissector, attachType: .flowDissector),
                .networkNamespace(path: "/proc/thread-self/ns/net", type: .flowDissector))
        } catch {
            // The first namespace has one, which is everybody's.
            guard error.errno == .eexist else { throw error }
        }
    }

    private static let socketMapNeeds =
        "kernel 4.18, CONFIG_NET_SOCK_MSG, CONFIG_BPF_STREAM_PARSER"

    private static func socketMap(_ type: ProgramType, _ attachType: AttachType)
        throws(BPFError)
    {
        let map = try MapTrial(type: .sockmap).create()
        // A verdict of 1, SK_PASS.
        let program = try TinyProgram(type: type, attachType: attachType, result: 1).load()
        guard program.canLinkSocketMap(attachType) else {
            // It goes with the map.
            return try SocketMapPlace(mapID: map.info.id, type: attachType).put(program)
        }
        _ = try program.attach(to: .socketMap(id: map.info.id, type: attachType), cookie: nil)
    }

    private static func netfilter() throws(BPFError) {
        // 1, NF_ACCEPT; IPv4, local out.
        try attach(
            TinyProgram(type: .netfilter, attachType: .netfilter, result: 1),
            .netfilter(NetfilterPlace(family: 2, hook: 3, priority: 100)))
    }

    private static func trafficControl() throws(BPFError) {
        // It goes with the namespace.
        try TrafficControlFilter(interfaceIndex: 1, isIngress: true, priority: 1, handle: 1)
            .attach(TinyProgram(type: .schedCls).load())
    }
}
