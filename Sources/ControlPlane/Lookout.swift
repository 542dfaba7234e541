internal import Linux
internal import Synchronization

/// The thread that looks after what is attached: it sees what others do to our pins, links and
/// their targets.
///
/// It sleeps until names change in our bpffs directories, something is mounted, or a change of ours
/// ends. Only while something is registered that can be cut or lose its target without an event
/// (interfaces, cgroups, namespaces, files, and probes that wait) it looks every two seconds.
final class Lookout: Sendable {
    static let tickMilliseconds: Int32 = 2000
    /// A change of many pins is looked at once.
    private static let gatherNanoseconds: UInt64 = 150_000_000

    /// Why it looks.
    enum Reason: Sendable { case event, tick }

    /// What has to follow a look.
    enum Next: Sendable {
        case nothing
        /// A look after a tick at what tells nothing by itself.
        case tick
        /// A look at everything after a tick: something could not be looked at.
        case again
    }

    private let poller: Poller
    private let wakeup: Wakeup
    private let directories: DirectoryWatch
    private let mounts: MountWatch
    private let isStopped = Atomic<Bool>(false)
    private let thread = Mutex<NamedThread?>(nil)
    let stint = Stint()

    /// - Parameter look: looks, on the thread that this starts.
    init(_ look: @escaping @Sendable (Reason) -> Next) throws(Errno) {
        poller = try Poller()
        wakeup = try Wakeup()
        directories = try DirectoryWatch()
        mounts = try MountWatch()
        try poller.add(wakeup.raw, tag: 0)
        try poller.add(directories.raw, tag: 1)
        try poller.addExceptional(mounts.raw, tag: 2)
        let thread = try NamedThread("lookout") { [self] in run(look) }
        self.thread.withLock { $0 = thread }
    }

    /// Something was attached or detached.
    func wake() { wakeup.signal() }

    /// Tells when names come or go in `path`, from now on.
    func watch(_ path: String) throws(Errno) { try directories.add(path) }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func run(_ look: (Reason) -> Next) {
        var reason = Reason.event
        while !isStopped.load(ordering: .acquiring) {
            let start = Clock.monotonicNanoseconds()
            let next = stint.run { look(reason) }
            // What takes long is done less often.
            let pause = max(Self.gatherNanoseconds, Clock.monotonicNanoseconds() - start)
            do {
                let timeout = next == .nothing ? -1 : Self.tickMilliseconds
                let tags = try poller.wait(timeoutMilliseconds: timeout)
                reason = tags.isEmpty && next == .tick ? .tick : .event
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
            if reason == .event {
                if !isStopped.load(ordering: .acquiring) {
                    Clock.sleep(nanoseconds: min(pause, 1_000_000_000))
                }
                wakeup.clear()
                directories.clear()
            }
        }
    }
}
