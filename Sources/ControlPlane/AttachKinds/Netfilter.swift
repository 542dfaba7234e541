internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A hook of netfilter; each priority is given once for a family and hook.
struct NetfilterKind: AttachKind {
    let name = "netfilter"
    let members = [
        AttachMember("family", .choice(Self.families.map(\.name))),
        AttachMember("hook", .choice(Self.hooks.map(\.name))),
        AttachMember("priority", .integer(Int64(Int32.min) + 1...Int64(Int32.max) - 1)),
        .namespace,
    ]
    let needs = [["family"], ["hook"], ["priority"]]
    let sections = ["netfilter"]

    // linux/netfilter.h: NFPROTO_… and NF_INET_….
    private static let families: [(name: String, number: UInt32)] = [("ipv4", 2), ("ipv6", 10)]
    /// Each by nft's word and by the kernel's.
    private static let hooks: [(name: String, number: UInt32)] = [
        ("prerouting", 0), ("input", 1), ("forward", 2), ("output", 3), ("postrouting", 4),
        ("pre_routing", 0), ("local_in", 1), ("local_out", 3), ("post_routing", 4),
    ]

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "netfilter" }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [.netfilter(place(site))]
    }

    private func place(_ site: AttachSite) -> NetfilterPlace {
        let family = Self.families.first { $0.name == site.text("family") }
        let hook = Self.hooks.first { $0.name == site.text("hook") }
        return NetfilterPlace(
            family: family?.number ?? 0, hook: hook?.number ?? 0,
            priority: Int32(clamping: site.integer("priority") ?? 0))
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        switch error.errno {
        case .ebusy, .eexist:
            let place = place(site)
            let link = site.link {
                $0.place
                    == .netfilter(
                        family: place.family, hook: place.hook, priority: place.priority)
            }
            return site.busy(
                "Priority \(place.priority) of \(site.text("family") ?? "") "
                    + (site.text("hook") ?? ""),
                link: link?.id, program: link?.programID, error)
        case .eafnosupport, .eproto, .erange, .eperm:
            return Problem(
                .attachRefused,
                "The kernel takes no function at this family, hook and priority.",
                errno: error.errno.name, pointer: "/attach", cause: error)
        case .einval where error.log == nil, .eopnotsupp where error.log == nil:
            return site.hostLacks("kernel 6.4 and CONFIG_NETFILTER_BPF_LINK", error)
        default: return nil
        }
    }
}
