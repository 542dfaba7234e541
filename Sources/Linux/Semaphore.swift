internal import Glibc

/// sem_init(3) between threads: counts what is there to be taken.
@safe
public final class Semaphore: @unchecked Sendable {
    // SAFETY: sem_t must not move: it lies in memory of its own from init to deinit.
    private let semaphore: UnsafeMutablePointer<sem_t>

    public init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    /// Takes one, and blocks until there is one.
    public func wait() {
        while unsafe sem_wait(semaphore) != 0 && Glibc.errno == EINTR {}
    }

    /// Puts one.
    public func signal() { unsafe _ = sem_post(semaphore) }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }
}
