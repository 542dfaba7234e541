// Has <sys/socket.h> too, and whole-module builds find SOCK_… only there.
internal import CLinux
internal import Glibc

/// Users and groups by name, as the system knows them (getpwnam(3), getgrnam(3)). Asks files and
/// services: call it at start, on one thread.
public enum Accounts {
    /// A number is itself. `nil` for a name that nobody has.
    public static func userID(_ name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        // SAFETY: the record is libc's until the next call, and read at once.
        guard let record = unsafe getpwnam(name) else { return nil }
        return unsafe record.pointee.pw_uid
    }

    /// As `userID`.
    public static func groupID(_ name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        // SAFETY: the record is libc's until the next call, and read at once.
        guard let record = unsafe getgrnam(name) else { return nil }
        return unsafe record.pointee.gr_gid
    }
}

/// A client's end of a Unix socket.
public struct UnixConnection: ~Copyable {
    private let descriptor: FileDescriptor

    /// - Throws: `ENOENT`, `ECONNREFUSED` where nobody listens; `EACCES`; `ENAMETOOLONG`.
    public init(_ path: String) throws(Errno) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, !bytes.contains(0),
            bytes.count < MemoryLayout.size(ofValue: address.sun_path)
        else { throw Errno(rawValue: ENAMETOOLONG) }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let made = FileDescriptor(owning: try check(socket(AF_UNIX, type, 0)))
        let raw = made.raw
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            // SAFETY: a sockaddr_un begins with what a sockaddr has; the kernel gets the full size.
            unsafe connect(
                raw, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        try check(result)
        descriptor = made
    }

    /// Sends all of it, and reads until the other end closes.
    public func exchange(_ bytes: Span<UInt8>, limit: Int) throws(Errno) -> [UInt8] {
        try descriptor.writeAll(bytes)
        return try descriptor.readAll(limit: limit)
    }
}
