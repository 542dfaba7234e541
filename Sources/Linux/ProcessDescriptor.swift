internal import CLinux

/// A process by a descriptor, which names no other one when the number is used again.
public struct ProcessDescriptor: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    /// - Throws: `ESRCH` no such process; `EINVAL` a thread that is not its process's first;
    ///   `ENOSYS` before Linux 5.3.
    public init(processID: Int32) throws(Errno) {
        let raw = apiary_pidfd_open(processID)
        guard raw >= 0 else { throw Errno.current }
        descriptor = FileDescriptor(owning: raw)
    }

    /// Our own copy of a descriptor of the process's.
    /// - Throws: `EBADF` it has none of that number; `EPERM`; `ENOSYS` before Linux 5.6.
    public func descriptor(_ number: Int32) throws(Errno) -> FileDescriptor {
        let raw = apiary_pidfd_getfd(descriptor.raw, number)
        guard raw >= 0 else { throw Errno.current }
        return FileDescriptor(owning: raw)
    }
}
