internal import CLibbpf
internal import Linux

extension Program {
    /// Attaches to a tracepoint's own arguments.
    /// - Throws: `ENOENT` no such tracepoint; `EINVAL` the function is no raw tracepoint's, or
    ///   reads more arguments than it has; `EOPNOTSUPP` a cookie before 6.10.
    func attachRawTracepoint(name: String, cookie: UInt64?) throws(BPFError) -> Link {
        let result = unsafe apiary_raw_tracepoint_open(name, descriptor.raw, cookie ?? 0)
        if result < 0 {
            let failure = Errno.current
            // An older kernel finds bytes that it does not know beyond its own structure.
            if cookie ?? 0 != 0, failure == .e2big || failure == .einval {
                throw BPFError(
                    "bpf_raw_tracepoint_open", .eopnotsupp, log: "a cookie needs kernel 6.10")
            }
            throw BPFError("bpf_raw_tracepoint_open", failure)
        }
        return try Link(owning: FileDescriptor(owning: result))
    }
}
