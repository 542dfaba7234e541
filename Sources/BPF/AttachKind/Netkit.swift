internal import CLibbpf

extension Program {
    /// - Throws: `ENODEV` no such interface; `ENXIO` it is no netkit device; `EACCES` from the
    ///   peer's side; `ENOENT` the program to stand beside is not there; `EINVAL` before 6.7.
    func attachNetkit(interfaceIndex: UInt32, isPeer: Bool, place: LinkPlace) throws(BPFError)
        -> Link
    {
        let type: AttachType = isPeer ? .netkitPeer : .netkitPrimary
        return try unsafe createLink(target: Int32(bitPattern: interfaceIndex), type) {
            unsafe $0.flags = place.flags
            unsafe $0.netkit.relative_id = place.relativeID
        }
    }
}
