extension Program {
    /// sk_skb and sk_msg, for the sockets that are in the map.
    /// - Throws: `ENOENT` no such map; `EBUSY` a program of the kind is there; `EINVAL` before
    ///   6.10, or the map is no sockmap or sockhash.
    func attachSocketMap(id: UInt32, _ type: AttachType) throws(BPFError) -> Link {
        let map = try Map(id: id)
        return unsafe try createLink(target: map.descriptor.raw, type)
    }
}
