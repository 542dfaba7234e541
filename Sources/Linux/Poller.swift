internal import CLinux
internal import Glibc

/// epoll(7): waits for many descriptors on one thread. Level-triggered.
public final class Poller: Sendable {
    private let descriptor: FileDescriptor

    public init() throws(Errno) {
        descriptor = FileDescriptor(owning: try check(epoll_create1(Int32(EPOLL_CLOEXEC))))
    }

    /// Readable while one of its descriptors is: a poller can be in another.
    public var raw: Int32 { descriptor.raw }

    /// Adds a descriptor for reading; `tag` comes back from `wait`. The descriptor stays the
    /// caller's, who removes it before closing it.
    public func add(_ raw: Int32, tag: UInt64) throws(Errno) {
        var event = unsafe epoll_event(
            events: EPOLLIN.rawValue, data: epoll_data_t(u64: tag))
        try check(unsafe epoll_ctl(descriptor.raw, EPOLL_CTL_ADD, raw, &event))
    }

    /// Adds a descriptor for exceptional conditions (EPOLLPRI): /proc/self/mountinfo has one.
    public func addExceptional(_ raw: Int32, tag: UInt64) throws(Errno) {
        var event = unsafe epoll_event(
            events: EPOLLPRI.rawValue, data: epoll_data_t(u64: tag))
        try check(unsafe epoll_ctl(descriptor.raw, EPOLL_CTL_ADD, raw, &event))
    }

    public func remove(_ raw: Int32) throws(Errno) {
        try check(epoll_ctl(descriptor.raw, EPOLL_CTL_DEL, raw, nil))
    }

    /// The tags of what became readable, at most 64; empty after `timeoutMilliseconds`, -1: never.
    public func wait(timeoutMilliseconds: Int32) throws(Errno) -> [UInt64] {
        var tags: [UInt64] = []
        try wait(timeoutMilliseconds: timeoutMilliseconds, into: &tags)
        return tags
    }

    /// The same, in place of what `tags` had: one that had as many before allocates nothing.
    public func wait(timeoutMilliseconds: Int32, into tags: inout [UInt64]) throws(Errno) {
        tags.removeAll(keepingCapacity: true)
        // SAFETY: epoll_wait fills the first `count` of the buffer, which lives for the closure.
        let failure: Errno? = unsafe withUnsafeTemporaryAllocation(
            of: epoll_event.self, capacity: Self.mostEvents
        ) { events in
            let count = unsafe epoll_wait(
                descriptor.raw, events.baseAddress, Int32(events.count), timeoutMilliseconds)
            if count < 0 { return Errno.current }
            for index in 0..<Int(count) { unsafe tags.append(events[index].data.u64) }
            return nil
        }
        if let failure, failure != .eintr { throw failure }
    }

    private static var mostEvents: Int { 64 }
}

/// eventfd(2): wakes a thread that waits in a `Poller`, from any thread.
public final class Wakeup: Sendable {
    private let descriptor: FileDescriptor

    public init() throws(Errno) {
        descriptor = FileDescriptor(
            owning: try check(eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))))
    }

    public var raw: Int32 { descriptor.raw }

    public func signal() {
        var one: UInt64 = 1
        // SAFETY: eight bytes of a local; a full counter (EAGAIN) is awake already.
        _ = unsafe Glibc.write(descriptor.raw, &one, 8)
    }

    /// Takes the wake-up, so that the descriptor is quiet again.
    public func clear() {
        var count: UInt64 = 0
        _ = unsafe Glibc.read(descriptor.raw, &count, 8)
    }
}
