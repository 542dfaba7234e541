internal import BPF

/// What `BPF_PROG_TEST_RUN` takes for a type of program (linux: net/bpf/test_run.c).
struct TestRunKind {
    var takesData = false
    /// Least bytes of data, 14: an Ethernet header.
    var leastData = 0
    /// The kernel's structure; nil: none, or the function's own.
    var contextType: String?
    var contextIsArguments = false
    var contextIsOwn = false
    var requiresContext = false
    /// Whether the kernel gives it back changed.
    var returnsContext = false
    var repeats = false
    /// Names of the flags that the type knows.
    var flags: [String] = []

    /// The kernel's bits, `BPF_F_TEST_…`.
    static let flagBits: [String: UInt32] = [
        "run_on_cpu": 1, "xdp_live_frames": 2, "skb_checksum_complete": 4,
    ]

    /// nil where the kernel cannot run programs of the type.
    init?(_ type: ProgramType, expectedAttachType: UInt32) {
        switch type {
        case .xdp:
            takesData = true
            leastData = 14
            contextType = "xdp_md"
            returnsContext = true
            repeats = true
            flags = ["xdp_live_frames"]
        case .flowDissector:
            takesData = true
            leastData = 14
            repeats = true
        case .netfilter:
            takesData = true
            leastData = 20
            repeats = true
        case .skLookup:
            contextType = "bpf_sk_lookup"
            requiresContext = true
            returnsContext = true
            repeats = true
        case .rawTracepoint, .rawTracepointWritable:
            contextIsArguments = true
            flags = ["run_on_cpu"]
        case .tracing where (24...26).contains(expectedAttachType): break
        case .syscall:
            contextIsOwn = true
        case _ where Self.packetTypes.contains(type.rawValue):
            takesData = true
            leastData = 14
            contextType = "__sk_buff"
            returnsContext = true
            repeats = true
            flags = ["skb_checksum_complete"]
        default: return nil
        }
    }

    /// socket_filter, sched_cls, sched_act, cgroup_skb, lwt_in, lwt_out, lwt_xmit, lwt_seg6local.
    private static let packetTypes: Set<UInt32> = [1, 3, 4, 8, 10, 11, 12, 19]

    static let names =
        "xdp, sched_cls, sched_act, socket_filter, cgroup_skb, lwt, flow_dissector, sk_lookup, "
        + "netfilter, raw_tracepoint, fentry, fexit, fmod_ret and syscall"
}
