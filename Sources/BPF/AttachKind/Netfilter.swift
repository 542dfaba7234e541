internal import CLibbpf

/// Where in the path of a packet a netfilter function runs, in the calling thread's network
/// namespace.
public struct NetfilterPlace: Sendable, Hashable {
    /// `NFPROTO_…`: 2 IPv4, 10 IPv6.
    public let family: UInt32
    /// `NF_INET_…`: 0 pre-routing, 1 local in, 2 forward, 3 local out, 4 post-routing.
    public let hook: UInt32
    /// Lower runs first; each is taken once for a family and hook. Neither end of the range.
    public let priority: Int32
    /// Whether fragments are put together before; then `priority` must be above -400.
    public let defragments: Bool

    public init(family: UInt32, hook: UInt32, priority: Int32, defragments: Bool = false) {
        self.family = family
        self.hook = hook
        self.priority = priority
        self.defragments = defragments
    }
}

extension Program {
    /// - Throws: `EBUSY` the priority is taken; `EAFNOSUPPORT`, `EPROTO`, `ERANGE` of the place;
    ///   `EINVAL` before 6.4.
    func attachNetfilter(_ place: NetfilterPlace) throws(BPFError) -> Link {
        try unsafe createLink(target: 0, .netfilter) {
            unsafe $0.netfilter.pf = place.family
            unsafe $0.netfilter.hooknum = place.hook
            unsafe $0.netfilter.priority = place.priority
            unsafe $0.netfilter.flags = place.defragments ? 1 : 0
        }
    }
}
