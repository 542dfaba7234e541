internal import CLibbpf
internal import Linux

extension Program {
    /// tp_btf, fentry, fexit, fmod_ret, lsm: attaches to what the function was loaded for.
    ///
    /// `bpf_raw_tracepoint_open` without a name does that for each of these kinds since 5.5, and
    /// asks no attach type, which the kernel does not give back. Only a cookie needs
    /// `bpf_link_create`, where the type must be the loaded one: each is tried, a wrong one is
    /// refused before anything happens.
    /// - Throws: `EPERM` lockdown (fentry, fexit, fmod_ret, lsm); `EBUSY`, `E2BIG` too many on the
    ///   function; `EOPNOTSUPP` a cookie before 5.19.
    func attachTracing(cookie: UInt64?) throws(BPFError) -> Link {
        guard let cookie, cookie != 0 else {
            let result = apiary_raw_tracepoint_open(nil, descriptor.raw, 0)
            try checkErrno("bpf_raw_tracepoint_open", result)
            return try Link(owning: FileDescriptor(owning: result))
        }
        let types: [AttachType] = [
            .traceRawTracepoint, .traceFentry, .traceFexit, .modifyReturn, .lsmMac,
        ]
        for type in types {
            do {
                return try unsafe createLink(target: 0, type) { unsafe $0.tracing.cookie = cookie }
            } catch {
                guard error.errno == .einval else { throw error }
            }
        }
        throw BPFError("bpf_link_create", .eopnotsupp, log: "a cookie needs kernel 5.19")
    }
}
