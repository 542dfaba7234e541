internal import CLinux
internal import Glibc

/// Who is at the other end of a connected Unix socket, as the kernel recorded it at connect(2).
public struct PeerCredentials: Sendable, Hashable {
    public let processID: Int32
    public let userID: UInt32
    public let groupID: UInt32
    /// The supplementary groups, at most 256 (SO_PEERGROUPS, Linux 4.13).
    public let groups: [UInt32]

    public init(processID: Int32, userID: UInt32, groupID: UInt32, groups: [UInt32] = []) {
        self.processID = processID
        self.userID = userID
        self.groupID = groupID
        self.groups = groups
    }

    /// `nil` for a socket that is not of the Unix family: SO_PEERCRED answers for TCP sockets too,
    /// with nonsense, so the family is asked first.
    public init?(socket raw: Int32) {
        var family: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(raw, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0,
            family == AF_UNIX
        else { return nil }
        var credentials = apiary_ucred()
        length = socklen_t(MemoryLayout<apiary_ucred>.size)
        guard unsafe getsockopt(raw, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0
        else { return nil }
        self.init(
            processID: credentials.pid, userID: credentials.uid, groupID: credentials.gid,
            groups: Self.groups(raw))
    }

    private static func groups(_ raw: Int32) -> [UInt32] {
        let peerGroups: Int32 = 59  // SO_PEERGROUPS of asm-generic/socket.h, not imported
        var groups = [UInt32](repeating: 0, count: 256)
        var length = socklen_t(groups.count * 4)
        let result = unsafe groups.withUnsafeMutableBytes { buffer in
            // SAFETY: the kernel writes at most `length` bytes, and tells how many.
            unsafe getsockopt(raw, SOL_SOCKET, peerGroups, buffer.baseAddress, &length)
        }
        return result == 0 ? Array(groups.prefix(Int(length) / 4)) : []
    }
}
