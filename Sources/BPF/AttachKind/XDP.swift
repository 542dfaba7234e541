internal import CLibbpf

extension Program {
    /// - Parameter flags: `XDP_FLAGS_…_MODE` of linux/if_link.h; 0: the driver's if it has one.
    /// - Throws: `EBUSY` another link is there; `EEXIST` a program without link is; `EINVAL` no
    ///   such interface; `EOPNOTSUPP` the driver has no XDP in this mode.
    func attachXDP(interfaceIndex: UInt32, flags: UInt32) throws(BPFError) -> Link {
        try unsafe createLink(target: Int32(bitPattern: interfaceIndex), .xdp) {
            unsafe $0.flags = flags
        }
    }
}
