internal import Glibc

/// What fstat(2) tells of who may write to a file.
public struct FileStatus: Sendable, Hashable {
    public let isRegular: Bool
    public let userID: UInt32
    /// The permission bits.
    public let mode: UInt32
    /// Of the contents, by the wall clock.
    public let modifiedNanoseconds: UInt64

    /// Whether others than `userID` and root may change it.
    public var isWritableByOthers: Bool { mode & 0o022 != 0 }
}

extension FileDescriptor {
    public func status() throws(Errno) -> FileStatus {
        var status = stat()
        try check(unsafe fstat(raw, &status))
        return FileStatus(
            isRegular: status.st_mode & S_IFMT == S_IFREG, userID: status.st_uid,
            mode: UInt32(status.st_mode) & 0o7777,
            modifiedNanoseconds: UInt64(clamping: status.st_mtim.tv_sec) &* 1_000_000_000
                &+ UInt64(clamping: status.st_mtim.tv_nsec))
    }
}
