internal import CLibbpf

extension Program {
    /// sk_skb and sk_msg, for the sockets that are in the map.
    /// - Throws: `ENOENT` no such map; `EBUSY` a program of the kind is there; `EINVAL` before
    ///   6.10, or the map is no sockmap or sockhash.
    func attachSocketMap(id: UInt32, _ type: AttachType) throws(BPFError) -> Link {
        let map = try Map(id: id)
        return unsafe try createLink(target: map.descriptor.raw, type)
    }

    /// Whether this kernel has links for functions in sockmaps (6.10). Attaches nothing.
    ///
    /// A kernel that has them complains of the descriptor -1, an older one of the type.
    public func canLinkSocketMap(_ type: AttachType) -> Bool {
        do {
            _ = unsafe try createLink(target: -1, type)
            return true
        } catch {
            return error.errno == .ebadf
        }
    }
}

/// The place of one attach type in a sockmap or sockhash, without a link: the way of kernels before
/// 6.10.
///
/// What is put there lives in the map, with no descriptor and no pin, until it is taken out or the
/// map goes. The kernel lets anybody put another in its place.
public struct SocketMapPlace: Sendable, Hashable {
    /// The kernel's id, not given again before 2^31 maps were made.
    public let mapID: UInt32
    public let type: AttachType

    public init(mapID: UInt32, type: AttachType) {
        self.mapID = mapID
        self.type = type
    }

    /// Puts `program` there without a gap, whatever was there.
    /// - Throws: `ENOENT` the map is gone; `EINVAL`, `EOPNOTSUPP` it is no sockmap or sockhash, or
    ///   the kernel has not the attach type; `EBUSY` a link is there, or a type that excludes it.
    /// - Note: Kernel 4.14. Calls `bpf_prog_attach`.
    public func put(_ program: Program) throws(BPFError) {
        let map = try Map(id: mapID)
        try check(
            "bpf_prog_attach",
            bpf_prog_attach(
                program.descriptor.raw, map.descriptor.raw,
                bpf_attach_type(rawValue: type.rawValue), 0))
    }

    /// Takes a program out; where it is not there, or the map or the program is gone, that is fine.
    /// - Note: Kernel 5.8, which looks that it is that program. Calls `bpf_prog_detach2`.
    public func takeOut(programID: UInt32) throws(BPFError) {
        do {
            let map = try Map(id: mapID)
            let program = try Program(id: programID)
            try check(
                "bpf_prog_detach2",
                bpf_prog_detach2(
                    program.descriptor.raw, map.descriptor.raw,
                    bpf_attach_type(rawValue: type.rawValue)))
        } catch {
            guard error.errno == .enoent else { throw error }
        }
    }

    /// - Note: Kernel 5.18; before, `unnamed` as long as there is the map.
    public func presence() -> Presence {
        guard let map = try? Map(id: mapID) else { return .gone }
        var id: UInt32 = 0
        var count: UInt32 = 1
        var flags: UInt32 = 0
        let result = unsafe bpf_prog_query(
            map.descriptor.raw, bpf_attach_type(rawValue: type.rawValue), 0, &flags, &id, &count)
        guard result == 0 else { return .unnamed }
        return count == 0 || id == 0 ? .gone : .runs(programID: id)
    }
}
