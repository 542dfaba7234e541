internal import Glibc

/// inotify(7): tells that names came or went in directories, without looking every so often.
public final class DirectoryWatch: Sendable {
    private let descriptor: FileDescriptor

    // sys/inotify.h
    private static let moved: UInt32 = 0x0000_00C0  // IN_MOVED_FROM | IN_MOVED_TO
    private static let created: UInt32 = 0x0000_0100  // IN_CREATE
    private static let deleted: UInt32 = 0x0000_0200  // IN_DELETE
    private static let itself: UInt32 = 0x0000_0C00  // IN_DELETE_SELF | IN_MOVE_SELF
    private static let contents: UInt32 = 0x0000_000C  // IN_CLOSE_WRITE | IN_ATTRIB
    private static let onlyDirectories: UInt32 = 0x0100_0000  // IN_ONLYDIR

    /// - Throws: `EMFILE` at the user's limit of instances (fs.inotify.max_user_instances).
    public init() throws(Errno) {
        descriptor = FileDescriptor(
            owning: try check(inotify_init1(Int32(O_CLOEXEC | O_NONBLOCK))))
    }

    /// For a `Poller`: readable when something has happened.
    public var raw: Int32 { descriptor.raw }

    /// Adds a directory; one that is watched already stays so.
    /// - Parameter withContents: also tells that a file in it was written, or its mode changed.
    /// - Throws: `ENOENT`; `ENOSPC` at the user's limit of watches (fs.inotify.max_user_watches).
    public func add(_ path: String, withContents: Bool = false) throws(Errno) {
        var mask = Self.moved | Self.created | Self.deleted | Self.itself | Self.onlyDirectories
        if withContents { mask |= Self.contents }
        try check(unsafe inotify_add_watch(descriptor.raw, path, mask))
    }

    /// Takes all that has happened, so that the descriptor is quiet again. What it was is not told:
    /// look at the directories.
    public func clear() {
        while true {
            do {
                if try descriptor.read(atMost: 16 << 10).isEmpty { return }
            } catch {
                return  // EAGAIN: all is taken
            }
        }
    }
}

/// Tells that something was mounted, unmounted or mounted in another way, in our mount namespace.
public final class MountWatch: Sendable {
    private let descriptor: FileDescriptor

    public init() throws(Errno) {
        descriptor = try FileDescriptor.open("/proc/self/mountinfo")
    }

    /// For `Poller.addExceptional`: has an exceptional condition once after each change.
    public var raw: Int32 { descriptor.raw }
}
