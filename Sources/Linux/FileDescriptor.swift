internal import CLinux
internal import Glibc

/// An open file, socket, pipe or BPF object of which this value is the only owner.
///
/// Closed when the value dies; `release()` hands the number, and the duty to close it, to the
/// caller. Every descriptor made in this module has `O_CLOEXEC`.
public struct FileDescriptor: ~Copyable, Sendable {
    public let raw: Int32

    public init(owning raw: Int32) {
        self.raw = raw
    }

    deinit { _ = Glibc.close(raw) }

    /// Gives up ownership: the caller closes the number now.
    public consuming func release() -> Int32 {
        let number = raw
        discard self
        return number
    }

    /// A second descriptor of the same open file description.
    /// - Throws: `EMFILE`, `ENFILE`.
    public func duplicate() throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check(fcntl(raw, F_DUPFD_CLOEXEC, 3)))
    }

    /// Opens `path` with `flags` of open(2); `O_CLOEXEC` is added.
    public static func open(
        _ path: String, _ flags: OpenFlags = .read, mode: UInt32 = 0o600
    ) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check(unsafe Glibc.open(path, flags.rawValue | O_CLOEXEC, mode)))
    }

    /// Whether this process can open so many descriptors now: what tells why another library could
    /// not, where that keeps the errno to itself.
    public static func canOpen(_ count: Int) -> Bool {
        guard count > 0 else { return true }
        do {
            let file = try open("/dev/null")
            let others = canOpen(count - 1)
            _ = file.raw
            return others
        } catch {
            return ![.emfile, .enfile].contains(error)
        }
    }

    /// Opens a regular file for reading by a path that stays below `directory`, whatever `..` and
    /// symbolic links say (openat2(2), `RESOLVE_BENEATH`, Linux 5.6).
    /// - Throws: `EXDEV`, `ELOOP` where the path leads out; `EINVAL` where it is no regular file;
    ///   `ENOSYS` before Linux 5.6.
    public static func openBeneath(_ directory: String, _ path: String) throws(Errno)
        -> FileDescriptor
    {
        let parent = try open(directory, [.read, .directory])
        let file = FileDescriptor(
            owning: try check(unsafe apiary_open_beneath(parent.raw, path)))
        var status = stat()
        try check(unsafe fstat(file.raw, &status))
        guard status.st_mode & S_IFMT == S_IFREG else { throw .einval }
        return file
    }

    /// Opens `path` as a process finds it whose root is `root`: symbolic links and `..` do not lead
    /// out of it, and absolute ones begin there.
    /// - Note: Kernel 5.6, openat2(2).
    public static func open(
        _ path: String, inRoot root: String, _ flags: OpenFlags = .read
    ) throws(Errno) -> FileDescriptor {
        let directory = try open(root, [.read, .directory])
        let result = unsafe apiary_open_in_root(
            directory.raw, path, UInt64(flags.rawValue | O_CLOEXEC))
        return FileDescriptor(owning: try check(result))
    }

    /// Reads at most `capacity` bytes from the descriptor's position; empty at the end.
    public func read(atMost capacity: Int) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            // SAFETY: the buffer is this closure's and its size is given to read(2).
            var got = unsafe Glibc.read(raw, buffer.baseAddress, capacity)
            while got < 0 && Glibc.errno == EINTR {
                got = unsafe Glibc.read(raw, buffer.baseAddress, capacity)
            }
            if got < 0 { failure = Errno.current }
            count = max(0, got)
        }
        if let failure { throw failure }
        return bytes
    }

    /// Waits for what `RunningChild.hand` sends, and makes it the descriptors `first`, `first` + 1
    /// and so on of this process, whatever those were.
    /// - Returns: how many came; 0 where the other side has ended.
    /// - Throws: `EBADMSG` where something else came.
    public func receive(as first: Int32) throws(Errno) -> Int {
        var numbers = [Int32](repeating: -1, count: Int(APIARY_PASSED_MOST))
        let count = Int(try check(unsafe apiary_receive_descriptors(raw, &numbers)))
        // Above all targets first, so that no dup2 overwrites a later source.
        let above = first + Int32(count)
        for index in 0..<count {
            let moved = try check(fcntl(numbers[index], F_DUPFD_CLOEXEC, above))
            _ = Glibc.close(numbers[index])
            numbers[index] = moved
        }
        for index in 0..<count {
            try check(dup2(numbers[index], first + Int32(index)))
            _ = Glibc.close(numbers[index])
        }
        return count
    }

    /// Reads to the end.
    /// - Throws: `EFBIG` where there are more than `limit` bytes.
    public func readAll(limit: Int = 64 << 20) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = try read(atMost: 64 << 10)
            if piece.isEmpty { return all }
            guard all.count + piece.count <= limit else { throw .efbig }
            all.append(contentsOf: piece)
        }
    }

    /// Writes all of `bytes` at the descriptor's position, however many calls it takes.
    public func writeAll(_ bytes: Span<UInt8>) throws(Errno) {
        var offset = 0
        while offset < bytes.count {
            let rest = bytes.extracting(offset..<bytes.count)
            let written = unsafe rest.withUnsafeBufferPointer { buffer in
                // SAFETY: the span is borrowed for this call.
                unsafe Glibc.write(raw, buffer.baseAddress, buffer.count)
            }
            if written < 0 {
                if Glibc.errno == EINTR { continue }
                throw Errno.current
            }
            offset += written
        }
    }

    /// Reads up to `capacity` bytes at `offset`, without moving the position.
    public func read(at offset: Int, atMost capacity: Int) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            // SAFETY: the buffer is this closure's and its size is given to pread(2).
            let got = unsafe Glibc.pread(raw, buffer.baseAddress, capacity, offset)
            if got < 0 { failure = Errno.current }
            count = max(0, got)
        }
        if let failure { throw failure }
        return bytes
    }

    public func size() throws(Errno) -> Int {
        var status = stat()
        try check(unsafe fstat(raw, &status))
        return Int(status.st_size)
    }

    /// Takes disk space for the first `sizeBytes` of the file, fallocate(2).
    /// - Throws: `ENOSPC`; `EOPNOTSUPP` where the file system cannot.
    public func allocate(_ sizeBytes: Int) throws(Errno) {
        let result = posix_fallocate(raw, 0, sizeBytes)
        guard result == 0 else { throw Errno(rawValue: result) }
    }

    /// Waits until the file's bytes and length are on the disk (fsync(2)).
    public func synchronize() throws(Errno) {
        try check(fsync(raw))
    }
}

/// Flags of open(2), by the kernel's names.
public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    public static let read = OpenFlags(rawValue: O_RDONLY)
    public static let write = OpenFlags(rawValue: O_WRONLY)
    public static let readWrite = OpenFlags(rawValue: O_RDWR)
    public static let create = OpenFlags(rawValue: O_CREAT)
    public static let exclusive = OpenFlags(rawValue: O_EXCL)
    public static let truncate = OpenFlags(rawValue: O_TRUNC)
    public static let append = OpenFlags(rawValue: O_APPEND)
    public static let directory = OpenFlags(rawValue: O_DIRECTORY)
    public static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    public static let nonBlocking = OpenFlags(rawValue: O_NONBLOCK)
}
