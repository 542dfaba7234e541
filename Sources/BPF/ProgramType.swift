/// What a program is, by the kernel's number (`enum bpf_prog_type`).
public struct ProgramType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// bpftool's name, `raw_tracepoint`; `type 99` where this build knows none.
    public var name: String {
        rawValue < Self.names.count ? Self.names[Int(rawValue)] : "type \(rawValue)"
    }

    public static let kprobe = ProgramType(rawValue: 2)
    public static let schedCls = ProgramType(rawValue: 3)
    public static let tracepoint = ProgramType(rawValue: 5)
    public static let xdp = ProgramType(rawValue: 6)
    public static let perfEvent = ProgramType(rawValue: 7)
    public static let cgroupSkb = ProgramType(rawValue: 8)
    public static let skSkb = ProgramType(rawValue: 14)
    public static let skMsg = ProgramType(rawValue: 16)
    public static let rawTracepoint = ProgramType(rawValue: 17)
    public static let flowDissector = ProgramType(rawValue: 22)
    public static let rawTracepointWritable = ProgramType(rawValue: 24)
    public static let tracing = ProgramType(rawValue: 26)
    public static let structOps = ProgramType(rawValue: 27)
    public static let ext = ProgramType(rawValue: 28)
    public static let lsm = ProgramType(rawValue: 29)
    public static let skLookup = ProgramType(rawValue: 30)
    public static let syscall = ProgramType(rawValue: 31)
    public static let netfilter = ProgramType(rawValue: 32)

    // linux: include/uapi/linux/bpf.h up to 6.18; the words are libbpf's.
    private static let names = [
        "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp",
        "perf_event", "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops",
        "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr",
        "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector", "cgroup_sysctl",
        "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops", "ext", "lsm",
        "sk_lookup", "syscall", "netfilter",
    ]
}
