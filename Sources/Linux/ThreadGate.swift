/// A gate that is opened once: one thread waits, another opens it, in either order.
public final class ThreadGate: Sendable {
    private let semaphore = Semaphore()

    public init() {}

    /// Blocks until `open` was called.
    public func wait() { semaphore.wait() }

    public func open() { semaphore.signal() }
}
