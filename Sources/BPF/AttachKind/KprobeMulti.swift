internal import CLibbpf
internal import Linux

extension Program {
    /// - Parameter cookie: the same for all symbols.
    /// - Throws: `EINVAL` the function was not loaded as kprobe.multi, or before 5.18; `ESRCH` a
    ///   symbol is not there, or may not be probed; `EOPNOTSUPP` a kernel without CONFIG_FPROBE.
    func attachKprobeMulti(
        symbols: [String], isReturn: Bool, _ type: AttachType, cookie: UInt64?
    ) throws(BPFError) -> Link {
        let cookies = [UInt64](repeating: cookie ?? 0, count: symbols.count)
        return try unsafe withCStrings(symbols) { names throws(BPFError) in
            try unsafe cookies.withUnsafeBufferPointer { cookies throws(BPFError) in
                if type == .traceKprobeSession {
                    // SAFETY: as below.
                    let made = unsafe apiary_kprobe_session(
                        descriptor.raw, UInt32(symbols.count), names,
                        cookie == nil ? nil : cookies.baseAddress)
                    try checkErrno("bpf_link_create", made)
                    return try Link(owning: FileDescriptor(owning: made))
                }
                // SAFETY: the kernel copies names and cookies within the call.
                return try unsafe createLink(target: 0, type) { options in
                    unsafe options.kprobe_multi.flags = isReturn ? 1 : 0
                    unsafe options.kprobe_multi.cnt = UInt32(symbols.count)
                    unsafe options.kprobe_multi.syms = names
                    if cookie != nil {
                        unsafe options.kprobe_multi.cookies = cookies.baseAddress
                    }
                }
            }
        }
    }

    private func withCStrings(
        _ strings: [String],
        _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>?) throws(BPFError) -> Link
    ) throws(BPFError) -> Link {
        // All names in one array, and the places where they begin.
        var text: [CChar] = []
        var starts: [Int] = []
        for string in strings {
            starts.append(text.count)
            text.append(contentsOf: string.utf8CString)
        }
        return try unsafe text.withUnsafeBufferPointer { text throws(BPFError) in
            // SAFETY: the pointers lead into `text`, which lives for this closure.
            var pointers: [UnsafePointer<CChar>?] = unsafe starts.map { start in
                unsafe text.baseAddress.map { base in unsafe base + start }
            }
            return try unsafe pointers.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
                try unsafe body(buffer.baseAddress)
            }
        }
    }
}
