internal import CLibbpf
public import Linux

extension Program {
    /// - Throws: `EINVAL` the function is no iterator, or walks a map and none is given; `EBADF`.
    func attachIterator(mapID: UInt32?) throws(BPFError) -> Link {
        guard let mapID else { return unsafe try createLink(target: 0, .traceIter) }
        let map = try Map(id: mapID)
        var target = bpf_iter_link_info()
        unsafe target.map.map_fd = UInt32(map.descriptor.raw)
        return try unsafe withUnsafeMutablePointer(to: &target) { target throws(BPFError) in
            // SAFETY: the kernel reads the structure within the call.
            try unsafe createLink(target: 0, .traceIter) { options in
                unsafe options.iter_info = target
                unsafe options.iter_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
            }
        }
    }
}

extension Link {
    /// What the iterator prints in one walk: the descriptor is read to its end.
    /// - Throws: `EINVAL` the link is of no iterator.
    /// - Note: Kernel 5.8. Calls `bpf_iter_create`.
    public func openIterator() throws(BPFError) -> FileDescriptor {
        FileDescriptor(owning: try check("bpf_iter_create", bpf_iter_create(descriptor.raw)))
    }
}
