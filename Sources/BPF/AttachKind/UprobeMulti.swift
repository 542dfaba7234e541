internal import CLibbpf
internal import Linux

/// Places in a file at whose execution a function runs.
struct UprobeMulti {
    let binary: String
    /// In the file, not addresses.
    let offsets: [UInt64]
    let processID: Int32?
    let isReturn: Bool
    /// Of semaphores in the file, 0 for none, one for each place; nil: no place has one.
    var referenceCounterOffsets: [UInt64]?
}

extension Program {
    /// - Parameter cookie: the same for all places.
    /// - Throws: `EINVAL` the function was not loaded as uprobe.multi, or before 6.6; `ENOENT` no
    ///   such file; `ESRCH` no such process.
    func attachUprobeMulti(_ probe: UprobeMulti, _ type: AttachType, cookie: UInt64?)
        throws(BPFError) -> Link
    {
        try attachUprobeMulti(
            probe, type, cookies: cookie.map { .init(repeating: $0, count: probe.offsets.count) })
    }

    func attachUprobeMulti(_ probe: UprobeMulti, _ type: AttachType, cookies: [UInt64]?)
        throws(BPFError) -> Link
    {
        let offsets = probe.offsets.map { UInt($0) }
        let counters = (probe.referenceCounterOffsets ?? []).map { UInt($0) }
        let path = probe.binary.utf8CString
        return try unsafe path.withUnsafeBufferPointer { path throws(BPFError) in
            try unsafe offsets.withUnsafeBufferPointer { offsets throws(BPFError) in
                try unsafe (cookies ?? []).withUnsafeBufferPointer { given throws(BPFError) in
                    try unsafe counters.withUnsafeBufferPointer { counters throws(BPFError) in
                        if type == .traceUprobeSession {
                            // SAFETY: as below; sessions are of no probe with semaphores.
                            let made = unsafe apiary_uprobe_session(
                                descriptor.raw, UInt32(offsets.count), path.baseAddress,
                                offsets.baseAddress, cookies == nil ? nil : given.baseAddress,
                                UInt32(probe.processID ?? 0))
                            try checkErrno("bpf_link_create", made)
                            return try Link(owning: FileDescriptor(owning: made))
                        }
                        // SAFETY: the kernel copies path and lists within the call; each list has
                        // an entry for each place, or its address is not given.
                        return try unsafe createLink(target: 0, type) { options in
                            unsafe options.uprobe_multi.flags = probe.isReturn ? 1 : 0
                            unsafe options.uprobe_multi.cnt = UInt32(offsets.count)
                            unsafe options.uprobe_multi.path = path.baseAddress
                            unsafe options.uprobe_multi.offsets = offsets.baseAddress
                            unsafe options.uprobe_multi.pid = UInt32(probe.processID ?? 0)
                            if cookies != nil {
                                unsafe options.uprobe_multi.cookies = given.baseAddress
                            }
                            if probe.referenceCounterOffsets != nil {
                                unsafe options.uprobe_multi.ref_ctr_offsets = counters.baseAddress
                            }
                        }
                    }
                }
            }
        }
    }
}
