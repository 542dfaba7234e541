internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// How a follower's lines are framed.
public enum FollowFormat: String, Sendable, CaseIterable { case ndjson, sse }

/// What makes followers alike: those who ask for the same are served from one scan and one text.
struct FollowKey: Sendable, Hashable {
    let mapID: UInt32
    let intervalNanoseconds: UInt64
    let style: EntryStyle
    let format: FollowFormat
}

/// The followers of maps, and the thread that looks: once an interval for all who follow the same
/// map in the same way. The thread starts with the first follower and sleeps while there is none.
final class MapFollowers: Sendable {
    private struct State {
        var groups: [FollowKey: FollowGroup] = [:]
        var thread: NamedThread?
        var isStopping = false
    }

    private let state = Mutex(State())
    private let poller: Poller
    private let wakeup: Wakeup

    init() throws(Errno) {
        poller = try Poller()
        wakeup = try Wakeup()
        try poller.add(wakeup.raw, tag: 0)
    }

    /// Joins the group of `key`, or makes it by a first look.
    /// - Throws: the kernel's error; `E2BIG` for more than a follower may keep.
    func join(
        _ key: FollowKey, _ bytes: MapBytes, isCurrent: @escaping @Sendable () -> Bool
    ) throws(BPFError) -> MapFollower {
        if let follower = state.withLock({ $0.groups[key]?.join() }) { return follower }
        let made = try FollowGroup(key, bytes, isCurrent: isCurrent)
        let (group, needsThread) = state.withLock { state in
            let group = state.groups[key] ?? made
            state.groups[key] = group
            return (group, state.thread == nil && !state.isStopping)
        }
        let follower = group.join()
        if needsThread { start() }
        wakeup.signal()
        return follower
    }

    private func start() {
        do throws(Errno) {
            let thread = try NamedThread("followers") { [self] in run() }
            state.withLock { $0.thread = thread }
        } catch {
            // Out of threads: the followers have the entries, and their streams end.
            for group in state.withLock({ $0.groups.values }) { group.end("shutdown") }
        }
    }

    func stop() {
        let (thread, groups) = state.withLock { state in
            state.isStopping = true
            return (state.thread, Array(state.groups.values))
        }
        for group in groups { group.end("shutdown") }
        wakeup.signal()
        thread?.join()
    }

    private func run() {
        while true {
            let groups: [FollowGroup]? = state.withLock { state in
                if state.isStopping { return nil }
                state.groups = state.groups.filter { !$0.value.isAbandoned }
                return Array(state.groups.values)
            }
            guard let groups else { return }
            let now = Clock.monotonicNanoseconds()
            for group in groups where group.nextLook <= now { group.look(now) }
            let next = groups.map(\.nextLook).min()
            let after = Clock.monotonicNanoseconds()
            let wait = next.map { Int32(clamping: ($0 > after ? $0 - after : 0) / 1_000_000 + 1) }
            do {
                if try !poller.wait(timeoutMilliseconds: wait ?? -1).isEmpty { wakeup.clear() }
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
        }
    }
}
