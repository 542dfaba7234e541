internal import CLinux
internal import Synchronization

/// A network namespace by a file that stands for it.
public enum NetworkNamespace {
    /// Where `ip netns add NAME` keeps them.
    public static let directory = "/run/netns"

    /// Runs `body` on a thread of its own that has entered the namespace and ends with it. Waits.
    ///
    /// No thread of ours ever changes its namespace back: one that could not would work in the
    /// wrong
    /// one from then on.
    /// - Parameter path: `/run/netns/blue`, `/proc/12/ns/net`.
    /// - Throws: `ENOENT` no such file; `EINVAL` it is no network namespace; `EPERM` without
    ///   CAP_SYS_ADMIN; `EAGAIN` no more threads.
    public static func within<R: Sendable>(
        _ path: String, _ body: @escaping @Sendable () -> R
    ) throws(Errno) -> R {
        let namespace = try FileDescriptor.open(path, [.read, .nonBlocking])
        let number = namespace.raw
        let box = Box<Result<R, Errno>>(.failure(.einval))
        let thread = try NamedThread("netns") {
            let result: Result<R, Errno> =
                apiary_set_network_namespace(number) == 0
                ? .success(body()) : .failure(Errno.current)
            box.value.withLock { $0 = result }
        }
        thread.join()
        withExtendedLifetime(namespace) {}
        return try box.value.withLock { $0 }.get()
    }

    private final class Box<V: Sendable>: Sendable {
        let value: Mutex<V>
        init(_ value: V) { self.value = Mutex(value) }
    }
}
