internal import CLibbpf
internal import Linux

/// What a link is attached to, as fully as the kernel tells it. What does not belong to the link's
/// type, and what older kernels leave out, is nil.
public struct LinkDetails: Sendable, Hashable {
    /// The kernel's `enum bpf_attach_type`.
    public var attachType: UInt32?
    /// raw_tracepoint, and a perf event of a tracepoint.
    public var tracepoint: String?
    /// A perf event of a kprobe, or the functions of a kprobe_multi.
    public var function: String?
    public var addresses: [UInt64] = []
    /// From the function's or the file's start.
    public var offset: UInt64?
    /// uprobe and uprobe_multi.
    public var binary: String?
    public var offsets: [UInt64] = []
    /// Places of a multi link.
    public var count: Int?
    public var isReturn: Bool?
    public var processID: UInt32?
    /// xdp, tcx, netkit; 0: the interface is gone.
    public var interfaceIndex: UInt32?
    /// sk_lookup, flow_dissector: of the network namespace.
    public var namespaceInode: UInt32?
    public var cgroupID: UInt64?
    /// sockmap, struct_ops, an iterator over a map.
    public var mapID: UInt32?
    /// tracing: the BTF object, or the program for freplace, and the type in it.
    public var targetObject: UInt32?
    public var targetType: UInt32?
    /// What an iterator walks.
    public var iterator: String?
    /// A perf event that is no probe: `type` and `config` of perf_event_open(2).
    public var perfEventType: UInt32?
    public var perfEventConfig: UInt64?
    public var netfilterFamily: UInt32?
    public var netfilterHook: UInt32?
    public var netfilterPriority: Int32?
    /// What bpf_get_attach_cookie gives; nil where the kernel does not tell.
    public var cookie: UInt64?
    /// Times the function was not run; kernel 6.7.
    public var missed: UInt64?
    /// `uprobe`, `kretprobe`, `tracepoint`, `event` of a perf event; kernel 6.6.
    public var perfKind: String?

    public init() {}
}

extension Link {
    /// Names and places of a multi link beyond these are not read.
    private static let mostPlaces = 8192

    /// Asks the kernel; twice where it has texts or lists to give.
    /// - Throws: `EOPNOTSUPP` where `isPinnable` is false.
    public func details() throws(BPFError) -> LinkDetails {
        let plain = try RawLinkInfo(descriptor.raw) { _ in }
        var target = LinkDetails()
        switch plain.typeName {
        case "raw_tracepoint": try rawTracepoint(plain, &target)
        case "tracing":
            target.attachType = plain.word(16)
            target.targetObject = plain.word(20)
            target.targetType = plain.word(24)
            target.cookie = plain.nonZero(32)
        case "cgroup":
            target.cgroupID = plain.long(16)
            target.attachType = plain.word(24)
        case "iter": try iterator(plain, &target)
        case "netns":
            target.namespaceInode = plain.word(16)
            target.attachType = plain.word(20)
        case "xdp": target.interfaceIndex = plain.word(16)
        case "tcx", "netkit":
            target.interfaceIndex = plain.word(16)
            target.attachType = plain.word(20)
        case "struct_ops": target.mapID = plain.word(16)
        case "sockmap":
            target.mapID = plain.word(16)
            target.attachType = plain.word(20)
        case "netfilter":
            target.netfilterFamily = plain.word(16)
            target.netfilterHook = plain.word(20)
            target.netfilterPriority = Int32(bitPattern: plain.word(24))
        case "perf_event": try perfEvent(plain, &target)
        case "kprobe_multi": try kprobeMulti(plain, &target)
        case "uprobe_multi": try uprobeMulti(plain, &target)
        default: break
        }
        return target
    }

    private func rawTracepoint(_ plain: RawLinkInfo, _ target: inout LinkDetails) throws(BPFError) {
        target.tracepoint = try text(pointer: 16, length: 24)
        target.cookie = plain.nonZero(32)
    }

    private func iterator(_ plain: RawLinkInfo, _ target: inout LinkDetails) throws(BPFError) {
        target.iterator = try text(pointer: 16, length: 24)
        if target.iterator?.contains("map") == true, plain.word(28) != 0 {
            target.mapID = plain.word(28)
        }
    }

    /// linux: `enum bpf_perf_event_type`.
    private func perfEvent(_ plain: RawLinkInfo, _ target: inout LinkDetails) throws(BPFError) {
        let kind = plain.word(16)
        switch kind {
        case 1, 2:
            target.perfKind = kind == 1 ? "uprobe" : "uretprobe"
            target.binary = try text(pointer: 24, length: 32)
            target.offset = UInt64(plain.word(36))
            target.cookie = plain.nonZero(40)
        case 3, 4:
            target.perfKind = kind == 3 ? "kprobe" : "kretprobe"
            target.function = try text(pointer: 24, length: 32)
            target.offset = UInt64(plain.word(36))
            target.missed = plain.long(48)
            target.cookie = plain.nonZero(56)
        case 5:
            target.perfKind = "tracepoint"
            target.tracepoint = try text(pointer: 24, length: 32)
            target.cookie = plain.nonZero(40)
        case 6:
            target.perfKind = "event"
            target.perfEventConfig = plain.long(24)
            target.perfEventType = plain.word(32)
            target.cookie = plain.nonZero(40)
        default: return
        }
        if kind < 5 { target.isReturn = kind == 2 || kind == 4 }
    }

    private func kprobeMulti(_ plain: RawLinkInfo, _ target: inout LinkDetails) throws(BPFError) {
        let count = Int(plain.word(24))
        target.count = count
        target.isReturn = plain.word(28) & 1 == 1
        target.missed = plain.long(32)
        guard count > 0, count <= Self.mostPlaces else { return }
        var addresses = [UInt64](repeating: 0, count: count)
        try unsafe addresses.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            // SAFETY: the kernel writes `count` addresses within the call.
            let address = UInt64(UInt(bitPattern: buffer.baseAddress))
            _ = try RawLinkInfo(descriptor.raw) { info in
                info.set(16, address)
                info.set(24, UInt32(count))
            }
        }
        target.addresses = addresses.filter { $0 != 0 }
    }

    private func uprobeMulti(_ plain: RawLinkInfo, _ target: inout LinkDetails) throws(BPFError) {
        target.binary = try text(pointer: 16, length: 48)
        let count = Int(plain.word(52))
        target.count = count
        target.isReturn = plain.word(56) & 1 == 1
        target.processID = plain.word(60) == 0 ? nil : plain.word(60)
        guard count > 0, count <= Self.mostPlaces else { return }
        var offsets = [UInt64](repeating: 0, count: count)
        try unsafe offsets.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            // SAFETY: the kernel writes `count` offsets within the call.
            let address = UInt64(UInt(bitPattern: buffer.baseAddress))
            _ = try RawLinkInfo(descriptor.raw) { info in
                info.set(24, address)
                info.set(52, UInt32(count))
            }
        }
        target.offsets = offsets
    }

    /// A text that the kernel copies to where the information points.
    private func text(pointer: Int, length: Int) throws(BPFError) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        try unsafe bytes.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            // SAFETY: the kernel writes at most that many bytes within the call.
            let address = UInt64(UInt(bitPattern: buffer.baseAddress))
            let size = UInt32(buffer.count)
            _ = try RawLinkInfo(descriptor.raw) { info in
                info.set(pointer, address)
                info.set(length, size)
            }
        }
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        return text.isEmpty ? nil : text
    }
}

/// `struct bpf_link_info` by the places of its members (linux 6.18): headers of build machines are
/// older than the kernels that this runs on, and know fewer.
private struct RawLinkInfo {
    private static let size = 128
    private(set) var bytes: [UInt8]
    private(set) var typeName: String

    init(_ descriptor: Int32, _ prepare: (inout RawLinkInfo) -> Void) throws(BPFError) {
        bytes = [UInt8](repeating: 0, count: Self.size)
        typeName = ""
        prepare(&self)
        var filled = bytes
        let result = unsafe filled.withUnsafeMutableBytes { buffer in
            // SAFETY: the kernel writes at most `info_len` bytes within the call.
            var attributes = bpf_attr()
            unsafe attributes.info.bpf_fd = UInt32(bitPattern: descriptor)
            unsafe attributes.info.info_len = UInt32(buffer.count)
            unsafe attributes.info.info = UInt64(UInt(bitPattern: buffer.baseAddress))
            return unsafe apiary_bpf(
                15, &attributes, UInt32(MemoryLayout<bpf_attr>.size))  // BPF_OBJ_GET_INFO_BY_FD
        }
        try checkErrno("bpf_link_get_info_by_fd", result)
        bytes = filled
        typeName = LinkInfo.typeName(word(0))
    }

    func word(_ place: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
    }

    func long(_ place: Int) -> UInt64 { UInt64(word(place)) | UInt64(word(place + 4)) << 32 }

    func nonZero(_ place: Int) -> UInt64? { long(place) == 0 ? nil : long(place) }

    mutating func set(_ place: Int, _ value: UInt32) {
        for index in 0..<4 {
            bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    mutating func set(_ place: Int, _ value: UInt64) {
        set(place, UInt32(truncatingIfNeeded: value))
        set(place + 4, UInt32(truncatingIfNeeded: value >> 32))
    }
}
