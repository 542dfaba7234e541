internal import Linux
internal import Synchronization

/// Files that are to stay open until an attachment is made, and the paths by which the kernel and
/// the loader find them: of a process in another mount namespace none of our own paths would do.
final class OpenFiles: Sendable {
    private let files = Mutex<[SharedDescriptor]>([])

    /// - Returns: a path of this process, good as long as this object lives.
    func keep(_ descriptor: consuming FileDescriptor) -> String {
        let number = descriptor.raw
        let held = SharedDescriptor(descriptor)
        files.withLock { $0.append(held) }
        return "/proc/self/fd/\(number)"
    }
}
