internal import Glibc

/// A gate that is opened once: one thread waits, another opens it, in either order.
@safe
public final class ThreadGate: @unchecked Sendable {
    // SAFETY: sem_t must not move: it lies in memory of its own from init to deinit.
    private let semaphore: UnsafeMutablePointer<sem_t>

    public init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    /// Blocks until `open` was called.
    public func wait() {
        while unsafe sem_wait(semaphore) != 0 && Glibc.errno == EINTR {}
    }

    public func open() { unsafe _ = sem_post(semaphore) }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }
}
