/// Where a function is attached: one case a kind, only what the kernel needs (symbols are offsets).
///
/// Interfaces, network namespaces' devices and file paths are seen from the calling thread's
/// namespaces. The kernel versions: of the attachment, and of its being pinnable.
public enum AttachTarget: Sendable, Hashable {
    /// Kernel 4.7, pinned 5.15.
    case tracepoint(category: String, name: String)
    /// Kernel 4.17, pinned 5.7, cookie 6.10.
    case rawTracepoint(name: String)
    /// tp_btf, fentry, fexit, fmod_ret, lsm: the target is the function's, fixed at load. Kernel
    /// 5.5, pinned 5.7, cookie 5.19.
    case tracing
    /// `offset` is in the file, not an address; `processID` nil: every process. Kernel 4.17, pinned
    /// 5.15.
    case uprobe(binary: String, offset: UInt64, processID: Int32?, isReturn: Bool)
    /// A kernel function by its name in kallsyms. Kernel 4.17, pinned 5.15.
    case kprobe(symbol: String, offset: UInt64, isReturn: Bool)
    /// Kernel functions by name, one link for all. Kernel 5.18, `.traceKprobeSession` 6.10.
    case kprobeMulti(
        symbols: [String], isReturn: Bool, type: AttachType = .traceKprobeMulti)
    /// Places in one file, one link for all. Kernel 6.6, `.traceUprobeSession` 6.13.
    case uprobeMulti(
        binary: String, offsets: [UInt64], processID: Int32?, isReturn: Bool,
        type: AttachType = .traceUprobeMulti)
    /// USDT: places in one file, each with its own cookie. One link for all where `isMulti`, kernel
    /// 6.6; else there is one place. Kernel 4.20, pinned 5.15.
    case userStatic(binary: String, points: [UserStaticPoint], processID: Int32?, isMulti: Bool)
    /// One CPU's, or one process's, counter: a link a CPU. Kernel 4.9, pinned 5.15.
    case perfEvent(PerfCounter)
    /// An iterator; `mapID` where it walks a map. Kernel 5.8.
    case iterator(mapID: UInt32?)
    /// `flags` of if_link.h: 2 generic, 4 driver, 8 hardware. Kernel 5.9.
    case xdp(interfaceIndex: UInt32, flags: UInt32)
    /// Kernel 6.6.
    case tcx(interfaceIndex: UInt32, isIngress: Bool, place: LinkPlace)
    /// Kernel 6.7.
    case netkit(interfaceIndex: UInt32, isPeer: Bool, place: LinkPlace)
    /// The directory of a version 2 cgroup; beside other programs there. Kernel 5.7.
    case cgroup(path: String, type: AttachType)
    /// sk_lookup (5.9), flow_dissector (5.8): `path` of a namespace, `/run/netns/blue`.
    case networkNamespace(path: String, type: AttachType)
    /// sk_skb, sk_msg: a sockmap or sockhash. Kernel 6.10.
    case socketMap(id: UInt32, type: AttachType)
    /// Kernel 6.4.
    case netfilter(NetfilterPlace)
    /// freplace: the function that `typeID` names in the BTF of the loaded program. Kernel 5.10.
    case replacement(programID: UInt32, typeID: UInt32)
}

extension Program {
    /// Attaches and gives the link, not yet pinned. `isPinnable` is false where the kernel has no
    /// link for the kind and the descriptor itself holds the attachment.
    ///
    /// - Parameter cookie: what `bpf_get_attach_cookie` gives the program; `nil` also works on
    ///   kernels without cookies.
    /// - Throws: `EINVAL` the function is not of a type that can be attached so; `EPERM` lockdown
    ///   or missing capabilities; `EOPNOTSUPP` a cookie where the kernel takes none; what each
    ///   kind's file says.
    /// - Note: Blocks under 1 ms, a uprobe in a busy binary for some 10 ms. Any thread.
    public func attach(to target: AttachTarget, cookie: UInt64?) throws(BPFError) -> Link {
        switch target {
        case .tracepoint(let category, let name):
            try attachTracepoint(category: category, name: name, cookie: cookie)
        case .rawTracepoint(let name):
            try attachRawTracepoint(name: name, cookie: cookie)
        case .tracing:
            try attachTracing(cookie: cookie)
        case .uprobe(let binary, let offset, let processID, let isReturn):
            try attachUprobe(
                Uprobe(
                    binary: binary, offset: offset, referenceCounterOffset: 0,
                    processID: processID, isReturn: isReturn),
                cookie: cookie)
        case .kprobe(let symbol, let offset, let isReturn):
            try attachKprobe(symbol: symbol, offset: offset, isReturn: isReturn, cookie: cookie)
        case .kprobeMulti(let symbols, let isReturn, let type):
            try attachKprobeMulti(
                symbols: symbols, isReturn: isReturn, type, cookie: cookie)
        case .uprobeMulti(let binary, let offsets, let processID, let isReturn, let type):
            try attachUprobeMulti(
                UprobeMulti(
                    binary: binary, offsets: offsets, processID: processID, isReturn: isReturn),
                type, cookie: cookie)
        case .userStatic(let binary, let points, let processID, let isMulti):
            try attachUserStatic(binary, points, processID: processID, isMulti: isMulti)
        case .perfEvent(let counter):
            try attachPerfEvent(counter, cookie: cookie)
        default:
            try attachWithoutCookie(to: target, cookie: cookie)
        }
    }

    private func attachWithoutCookie(to target: AttachTarget, cookie: UInt64?) throws(BPFError)
        -> Link
    {
        guard cookie == nil else {
            throw BPFError("bpf_link_create", .eopnotsupp, log: "this kind takes no cookie")
        }
        switch target {
        case .iterator(let mapID): return try attachIterator(mapID: mapID)
        case .xdp(let interfaceIndex, let flags):
            return try attachXDP(interfaceIndex: interfaceIndex, flags: flags)
        case .tcx(let interfaceIndex, let isIngress, let place):
            return try attachTCX(
                interfaceIndex: interfaceIndex, isIngress: isIngress, place: place)
        case .netkit(let interfaceIndex, let isPeer, let place):
            return try attachNetkit(
                interfaceIndex: interfaceIndex, isPeer: isPeer, place: place)
        case .cgroup(let path, let type): return try attachCgroup(path: path, type)
        case .networkNamespace(let path, let type):
            return try attachNetworkNamespace(path: path, type)
        case .socketMap(let id, let type): return try attachSocketMap(id: id, type)
        case .netfilter(let place): return try attachNetfilter(place)
        case .replacement(let programID, let typeID):
            return try attachReplacement(programID: programID, typeID: typeID)
        case .tracepoint, .rawTracepoint, .tracing, .uprobe, .kprobe, .kprobeMulti, .uprobeMulti,
            .userStatic, .perfEvent:
            preconditionFailure("\(target) takes cookies and is attached above")
        }
    }
}
