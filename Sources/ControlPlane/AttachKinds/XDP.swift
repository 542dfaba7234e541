internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// The first place that a packet passes: once for an interface.
struct XDPKind: AttachKind {
    let name = "xdp"
    let members = [
        AttachMember.interface, AttachMember("mode", .choice(Self.modes.map(\.name))), .namespace,
    ]
    let needs = [["interface"]]
    let sections = ["xdp", "xdp.frags"]
    let isUpdatable = true

    // linux/if_link.h: XDP_FLAGS_SKB_MODE, _DRV_MODE, _HW_MODE.
    private static let modes: [(name: String, flags: UInt32)] = [
        ("generic", 2), ("driver", 4), ("hardware", 8),
    ]

    /// Not the functions for devmaps and cpumaps, which libbpf calls xdp/devmap and xdp/cpumap.
    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "xdp"
            && (function.expectedAttachType == 0 || function.expects(.xdp))
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let mode = Self.modes.first { $0.name == site.text("mode") }
        return [.xdp(interfaceIndex: try site.interfaceIndex(), flags: mode?.flags ?? 0)]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let name = site.text("interface") ?? ""
        switch error.errno {
        case .ebusy, .eexist:
            let index = NetworkInterface.index(of: name) ?? 0
            let holder = XDPHolder.programID(interfaceIndex: index)
            let link = site.link {
                $0.typeName == "xdp" && $0.place == .interface(index: index)
                    && $0.programID == holder
            }
            return site.busy("The XDP hook of \(name)", link: link?.id, program: holder, error)
        case .eopnotsupp:
            return Problem(
                .attachRefused,
                "The driver of \(name) has no XDP in mode \(site.text("mode") ?? "driver"): take "
                    + "\"mode\":\"generic\".", errno: error.errno.name, pointer: "/attach/mode",
                cause: error)
        default: return nil
        }
    }
}
