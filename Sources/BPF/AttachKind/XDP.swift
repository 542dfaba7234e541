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

/// What has an interface's XDP hook.
public enum XDPHolder {
    /// The id of the program at the interface, in the calling thread's network namespace; nil where
    /// there is none, or it cannot be told.
    public static func programID(interfaceIndex: UInt32) -> UInt32? {
        var id: UInt32 = 0
        let result = unsafe bpf_xdp_query_id(Int32(bitPattern: interfaceIndex), 0, &id)
        return result == 0 && id != 0 ? id : nil
    }
}
