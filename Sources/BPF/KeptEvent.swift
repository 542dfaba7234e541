internal import Linux
internal import Synchronization

/// The descriptor of a perf event that a link holds too.
///
/// While it is open, closing the link ends the function's runs, which costs one short wait, and
/// leaves the long ones to closing the event: that the kernel takes its breakpoint or hook away.
/// Links are closed in parallel; events wait for each other, under one lock of the kernel's.
public final class KeptEvent: Sendable {
    private let descriptor: Mutex<FileDescriptor?>

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = Mutex(descriptor) }

    /// - Note: Blocks, 50 ms for a tracepoint, 100 ms for a uprobe. A second call does nothing.
    public func close() {
        let taken = descriptor.withLock { $0.take() }
        _ = consume taken
    }
}
