internal import CLibbpf

/// What a link is attached to, by the numbers that the kernel knows it by.
public enum LinkSite: Sendable, Hashable {
    /// xdp, tcx, netkit. 0: the interface is gone and the link holds nothing any more.
    case interface(index: UInt32)
    /// sk_lookup, flow_dissector. 0: the namespace is gone.
    case networkNamespace(inode: UInt32, type: AttachType)
    /// sk_skb, sk_msg.
    case map(id: UInt32, type: AttachType)
    case netfilter(family: UInt32, hook: UInt32, priority: Int32)
    /// freplace: the program and the type of the function in its BTF. The other tracing kinds have
    /// the BTF object's id and the type in it.
    case tracing(target: UInt32, typeID: UInt32)
    case cgroup(id: UInt64)
    case other

    /// The numbers follow the fixed part, in a union; headers of build machines are older than the
    /// link types, so they are read by their place (linux: struct bpf_link_info).
    init(_ raw: bpf_link_info, typeName: String) {
        let words = unsafe withUnsafeBytes(of: raw) { bytes in
            // SAFETY: 16 to 31 lie inside the structure, which has at least 40 bytes.
            (0..<4).map { unsafe bytes.load(fromByteOffset: 16 + $0 * 4, as: UInt32.self) }
        }
        switch typeName {
        case "xdp", "tcx", "netkit": self = .interface(index: words[0])
        case "netns":
            self = .networkNamespace(inode: words[0], type: AttachType(rawValue: words[1]))
        case "sockmap": self = .map(id: words[0], type: AttachType(rawValue: words[1]))
        case "netfilter":
            self = .netfilter(
                family: words[0], hook: words[1], priority: Int32(bitPattern: words[2]))
        case "tracing": self = .tracing(target: words[1], typeID: words[2])
        case "cgroup": self = .cgroup(id: UInt64(words[0]) | UInt64(words[1]) << 32)
        default: self = .other
        }
    }
}
