internal import CLinux
internal import Glibc
internal import Synchronization

/// A plain thread with a name that `top -H` and a core dump show.
///
/// libbpf, SQLite and the verifier block, and Swift's own pool has one thread a core: so work
/// that may block runs on threads made for it, never in a `Task`.
public final class NamedThread: Sendable {
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: Mutex<pthread_t?>

    /// Starts at once. All signals are blocked in it: signals are the main thread's.
    /// - Parameter name: at most 15 bytes (prctl(2), PR_SET_NAME); longer ones are cut.
    /// - Throws: `EAGAIN` at the limit of threads.
    public init(_ name: String, stackBytes: Int = 512 << 10, _ body: @escaping @Sendable () -> Void)
        throws(Errno)
    {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe _ = pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setstacksize(&attributes, stackBytes)
        var thread = pthread_t()
        // SAFETY: the retained Start is taken back exactly once, by the thread's first line.
        let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        let result = unsafe pthread_create(
            &thread, &attributes,
            { context in
                guard let context = unsafe context else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                var all = sigset_t()
                unsafe sigfillset(&all)
                unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
                _ = unsafe apiary_set_thread_name(start.name)  // the kernel cuts it
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            unsafe start.release()
            throw Errno(rawValue: result)
        }
        handle = Mutex(thread)
    }

    /// Waits for the body to return. A second call returns at once.
    public func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { _ = pthread_join(thread, nil) }
    }

    deinit {
        // Nobody joined it: let the kernel free it when it ends.
        handle.withLock { handle in
            if let handle { _ = pthread_detach(handle) }
        }
    }
}
