internal import Glibc

/// A file mapped for reading and writing, with its blocks allocated beforehand, so that a full disk
/// is an error here and never a SIGBUS later.
///
/// The mapping lives as long as this object: whoever keeps a pointer into it keeps the object.
@safe
public final class MappedFile: @unchecked Sendable {
    // SAFETY: base is set once and unmapped in deinit; what lies in it is the user's to order.
    public let base: UnsafeMutableRawPointer
    public let size: Int
    public let path: String

    /// Makes a new file of `size` bytes, all zero and all allocated (fallocate(2)).
    /// - Throws: `EEXIST`; `ENOSPC` and nothing is left behind.
    public init(creating path: String, size: Int) throws(Errno) {
        let file = try FileDescriptor.open(path, [.readWrite, .create, .exclusive], mode: 0o600)
        // posix_fallocate writes zeros where the file system knows no fallocate, and returns errno.
        let result = posix_fallocate(file.raw, 0, size)
        guard result == 0 else {
            _ = unsafe Glibc.unlink(path)
            throw Errno(rawValue: result)
        }
        unsafe base = try unsafe Self.map(file.raw, size)
        self.size = size
        self.path = path
    }

    /// Maps an existing file whole.
    /// - Throws: `ENOENT`; `EINVAL` for an empty one.
    public init(opening path: String) throws(Errno) {
        let file = try FileDescriptor.open(path, [.readWrite, .noFollow])
        let size = try file.size()
        guard size > 0 else { throw .einval }
        // A sparse file would be a SIGBUS on a full disk: allocate what it lacks.
        let result = posix_fallocate(file.raw, 0, size)
        guard result == 0 else { throw Errno(rawValue: result) }
        unsafe base = try unsafe Self.map(file.raw, size)
        self.size = size
        self.path = path
    }

    /// Removes the name; the mapping stays readable until the object dies.
    public func unlink() throws(Errno) { try FileSystem.unlink(path) }

    private static func map(_ raw: Int32, _ size: Int) throws(Errno) -> UnsafeMutableRawPointer {
        let address = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, raw, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw Errno.current
        }
        return unsafe address
    }

    deinit { unsafe _ = munmap(base, size) }
}
