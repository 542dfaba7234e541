/// Where a function is attached: one case a kind, only what the kernel needs (symbols are offsets).
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
        }
    }
}
