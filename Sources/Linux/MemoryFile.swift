internal import CLinux
internal import Glibc

/// memfd_create(2): a file in memory without a name, that grows as it is written and can be handed
/// to a child process. Gone with its last descriptor.
public final class MemoryFile: Sendable {
    public let descriptor: FileDescriptor

    /// - Parameter name: shown in `/proc/PID/fd`, for people only.
    /// - Throws: `EMFILE`, `ENFILE`, `ENOMEM`.
    public init(_ name: String) throws(Errno) {
        descriptor = FileDescriptor(
            owning: try check(
                unsafe apiary_memfd_create(name, UInt32(MFD_CLOEXEC | MFD_ALLOW_SEALING))))
    }

    public convenience init(_ name: String, holding bytes: Span<UInt8>) throws(Errno) {
        try self.init(name)
        try descriptor.writeAll(bytes)
    }

    /// Appends at the end.
    public func append(_ bytes: Span<UInt8>) throws(Errno) { try descriptor.writeAll(bytes) }

    public func size() throws(Errno) -> Int { try descriptor.size() }

    /// All bytes, from the start.
    /// - Throws: `EFBIG` where there are more than `limit`.
    public func contents(limit: Int = 256 << 20) throws(Errno) -> [UInt8] {
        let size = try descriptor.size()
        guard size <= limit else { throw .efbig }
        return try descriptor.read(at: 0, atMost: size)
    }

    /// Forbids every further change (`F_ADD_SEALS`), so that a child cannot see it change.
    public func seal() throws(Errno) {
        try check(fcntl(descriptor.raw, Int32(APIARY_F_ADD_SEALS), Int32(APIARY_SEAL_ALL)))
    }
}
