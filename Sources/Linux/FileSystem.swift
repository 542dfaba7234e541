internal import CLinux
internal import Glibc

/// The few calls on paths that the house needs, each throwing the kernel's errno.
public enum FileSystem {
    public enum Kind: Sendable { case file, directory, symbolicLink, socket, other }

    /// What the kernel says of a path's file system (statfs(2)).
    public enum Volume: Sendable { case bpf, tracefs, tmpfs, cgroup2, other(magic: Int) }

    /// - Throws: `EFBIG` where the file is longer than `limit`.
    public static func read(_ path: String, limit: Int = 64 << 20) throws(Errno) -> [UInt8] {
        try FileDescriptor.open(path).readAll(limit: limit)
    }

    /// The file as text without the final newline; `nil` where it cannot be read.
    public static func text(_ path: String) -> String? {
        do {
            var bytes = try read(path, limit: 1 << 20)
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            return nil
        }
    }

    /// Replaces `path` by `bytes` so that after a crash there is the old file or the new one:
    /// a temporary file beside it, fsync, rename, fsync of the directory.
    public static func replace(_ path: String, with bytes: Span<UInt8>, mode: UInt32 = 0o600)
        throws(Errno)
    {
        let temporary = path + ".new"
        do {
            let file = try FileDescriptor.open(
                temporary, [.write, .create, .truncate, .noFollow], mode: mode)
            try file.writeAll(bytes)
            try file.synchronize()
        } catch {
            _ = unsafe Glibc.unlink(temporary)
            throw error
        }
        try rename(temporary, to: path)
        try synchronizeDirectory(parent(of: path))
    }

    public static func rename(_ path: String, to other: String) throws(Errno) {
        try check(unsafe Glibc.rename(path, other))
    }

    public static func synchronizeDirectory(_ path: String) throws(Errno) {
        try FileDescriptor.open(path, [.read, .directory]).synchronize()
    }

    public static func kind(_ path: String) -> Kind? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        case S_IFLNK: return .symbolicLink
        case S_IFSOCK: return .socket
        default: return .other
        }
    }

    public static func exists(_ path: String) -> Bool { kind(path) != nil }

    /// Names in a directory without `.` and `..`, sorted.
    public static func list(_ path: String) throws(Errno) -> [String] {
        // SAFETY: the directory stream is opened and closed here and used on this thread only.
        guard let directory = unsafe opendir(path) else { throw Errno.current }
        defer { unsafe _ = closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { text in
                    unsafe String(cString: text)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// How many names are in a directory, `.` and `..` left out.
    public static func count(_ path: String) throws(Errno) -> Int {
        // SAFETY: the directory stream is opened and closed here and used on this thread only.
        guard let directory = unsafe opendir(path) else { throw Errno.current }
        defer { unsafe _ = closedir(directory) }
        var count = 0
        while unsafe readdir(directory) != nil { count += 1 }
        return count - 2
    }

    /// Makes one directory; an existing one is fine.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
        guard unsafe mkdir(path, mode) != 0 else { return }
        let failure = Errno.current
        guard failure == .eexist, kind(path) == .directory else { throw failure }
    }

    /// Makes a directory and those above it.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
        let above = parent(of: path)
        if above != path && !exists(above) { try makeDirectories(above, mode: mode) }
        if kind(path) != .directory { try makeDirectory(path, mode: mode) }
    }

    /// The permission bits of what a path leads to.
    public static func permissions(_ path: String) throws(Errno) -> UInt32 {
        var status = stat()
        try check(unsafe stat(path, &status))
        return status.st_mode & 0o7777
    }

    /// Gives a path to a group.
    public static func changeGroup(_ path: String, _ group: UInt32) throws(Errno) {
        try check(unsafe chown(path, uid_t.max, group))
    }

    public static func changeMode(_ path: String, _ mode: UInt32) throws(Errno) {
        try check(unsafe chmod(path, mode))
    }

    /// Removes a name; one that is not there is fine.
    public static func unlink(_ path: String) throws(Errno) {
        guard unsafe Glibc.unlink(path) != 0 else { return }
        let failure = Errno.current
        guard failure == .enoent else { throw failure }
    }

    /// Removes an empty directory; one that is not there is fine.
    public static func removeDirectory(_ path: String) throws(Errno) {
        guard unsafe rmdir(path) != 0 else { return }
        let failure = Errno.current
        guard failure == .enoent else { throw failure }
    }

    /// Removes a directory of ours with all in it. Symbolic links are removed, never followed.
    public static func removeTree(_ path: String) throws(Errno) {
        switch kind(path) {
        case nil: return
        case .directory:
            for name in try list(path) { try removeTree(path + "/" + name) }
            try removeDirectory(path)
        default: try unlink(path)
        }
    }

    public static func volume(_ path: String) throws(Errno) -> Volume {
        var status = statfs()
        try check(unsafe statfs(path, &status))
        // statfs(2), linux/magic.h
        switch Int(status.f_type) {
        case 0xCAFE_4A11: return .bpf
        case 0x7472_6163: return .tracefs
        case 0x0102_1994: return .tmpfs
        case 0x6367_7270: return .cgroup2
        case let magic: return .other(magic: magic)
        }
    }

    /// The size of a path's file system, and what of it is free for this process.
    public static func space(_ path: String) throws(Errno) -> (totalBytes: Int, freeBytes: Int) {
        var status = statfs()
        try check(unsafe statfs(path, &status))
        let block = Int(status.f_bsize)
        return (Int(status.f_blocks) * block, Int(status.f_bavail) * block)
    }

    /// Whether a path's file system is mounted read-only.
    public static func isReadOnly(_ path: String) throws(Errno) -> Bool {
        var status = statfs()
        try check(unsafe statfs(path, &status))
        return status.f_flags & 1 != 0  // statfs(2): ST_RDONLY
    }

    /// Mounts a file system that has no device: `bpf`, `tracefs`.
    public static func mount(_ type: String, at path: String) throws(Errno) {
        try check(unsafe Glibc.mount(type, path, type, 0, nil))
    }

    /// The root of a file system that has no device, without mounting it anywhere.
    /// - Throws: `ENOSYS` before Linux 5.2; `EPERM` without CAP_SYS_ADMIN; `ENODEV` no such type.
    public static func detached(_ type: String) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check(unsafe apiary_detached_mount(type)))
    }

    /// Device and inode, which tell whether a path still names the same file.
    public static func identity(_ path: String) throws(Errno) -> (device: UInt64, inode: UInt64) {
        var status = stat()
        try check(unsafe stat(path, &status))
        return (UInt64(status.st_dev), UInt64(status.st_ino))
    }

    /// Device, inode and time of birth as one word: another for a file that takes the path, or the
    /// inode, of one that is gone.
    public static func lastingIdentity(_ path: String) throws(Errno) -> String {
        var identity = apiary_file_identity()
        try check(unsafe apiary_file_identity(path, &identity))
        return "\(identity.device):\(identity.inode):\(identity.birth_seconds)."
            + "\(identity.birth_nanoseconds)"
    }

    /// Makes a symbolic link that says `text`, which need not be a path.
    /// - Throws: `EEXIST` the name is taken.
    public static func makeSymbolicLink(_ path: String, saying text: String) throws(Errno) {
        try check(unsafe symlink(text, path))
    }

    /// What a symbolic link says, readlink(2).
    public static func resolve(_ link: String) throws(Errno) -> String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink(link, &bytes, bytes.count)
        guard count >= 0 else { throw Errno.current }
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The last part of a path.
    public static func name(of path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
