internal import CLibbpf

/// Places in a file at whose execution a function runs.
struct UprobeMulti {
    let binary: String
    /// In the file, not addresses.
    let offsets: [UInt64]
    let processID: Int32?
    let isReturn: Bool
}

extension Program {
    /// - Parameter cookie: the same for all places.
    /// - Throws: `EINVAL` the function was not loaded as uprobe.multi, or before 6.6; `ENOENT` no
    ///   such file; `ESRCH` no such process.
    func attachUprobeMulti(_ probe: UprobeMulti, _ type: AttachType, cookie: UInt64?)
        throws(BPFError) -> Link
    {
        let cookies = [UInt64](repeating: cookie ?? 0, count: probe.offsets.count)
        let offsets = probe.offsets.map { UInt($0) }
        let path = probe.binary.utf8CString
        return try unsafe path.withUnsafeBufferPointer { path throws(BPFError) in
            try unsafe offsets.withUnsafeBufferPointer { offsets throws(BPFError) in
                try unsafe cookies.withUnsafeBufferPointer { cookies throws(BPFError) in
                    // SAFETY: the kernel copies path, offsets and cookies within the call.
                    try unsafe createLink(target: 0, type) { options in
                        unsafe options.uprobe_multi.flags = probe.isReturn ? 1 : 0
                        unsafe options.uprobe_multi.cnt = UInt32(offsets.count)
                        unsafe options.uprobe_multi.path = path.baseAddress
                        unsafe options.uprobe_multi.offsets = offsets.baseAddress
                        unsafe options.uprobe_multi.pid = UInt32(probe.processID ?? 0)
                        if cookie != nil {
                            unsafe options.uprobe_multi.cookies = cookies.baseAddress
                        }
                    }
                }
            }
        }
    }
}
