internal import Problems
internal import Synchronization

/// One change at a time for each map, so that two clients of this daemon cannot both find the tag
/// that they expect. Other programs and the kernel's side are not held off.
final class EntryLocks: Sendable {
    // Maps share the locks by their ids: a table that grows with the maps would have to shrink too.
    private let locks = (0..<16).map { _ in EntryLock() }

    func locking<Result>(_ id: UInt32, _ body: () throws(Problem) -> Result) throws(Problem)
        -> Result
    {
        try locks[Int(id % 16)].mutex.withLock { _ throws(Problem) in try body() }
    }
}

private final class EntryLock: Sendable {
    let mutex = Mutex(())
}
