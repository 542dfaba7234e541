internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// The followers of maps, and the thread that looks: once an interval for all who follow the same
/// map. The thread starts with the first follower and sleeps while there is none.
final class MapFollowers: Sendable {
    private struct State {
        var scans: [FollowScan.Key: FollowScan] = [:]
        /// Of two that began at once, the one whose place the other took.
        var others: [FollowScan] = []
        var thread: NamedThread?
        var isStopping = false

        var all: [FollowScan] { Array(scans.values) + others }
    }

    private let state = Mutex(State())
    private let poller: Poller
    private let wakeup: Wakeup
    let stint = Stint()

    init() throws(Errno) {
        poller = try Poller()
        wakeup = try Wakeup()
        try poller.add(wakeup.raw, tag: 0)
    }

    /// Joins those who follow the map in the same interval, or is the first by a first look.
    /// - Throws: the kernel's error; `E2BIG` for more than a follower may keep.
    func join(
        _ key: FollowScan.Key, _ form: FollowGroup.Form, _ bytes: MapBytes,
        _ filter: EntryFilter, isCurrent: @escaping @Sendable () -> Bool
    ) throws(BPFError) -> MapFollower {
        if let scan = state.withLock({ $0.scans[key] }),
            let follower = scan.join(form, bytes, filter)
        {
            return follower
        }
        let made = try FollowScan(key, bytes.map.map, isCurrent: isCurrent)
        // Before it is in the table, where one without followers is swept away.
        guard let follower = made.join(form, bytes, filter) else {
            preconditionFailure("a new scan of map \(key.mapID) has ended")
        }
        let isTaken = state.withLock { state in
            guard !state.isStopping else { return false }
            if state.thread == nil {
                do { state.thread = try NamedThread("followers") { [self] in run() } } catch {
                    return false
                }
            }
            // Who came at the same time has made another: both serve theirs to the end.
            if let other = state.scans[key] { state.others.append(other) }
            state.scans[key] = made
            return true
        }
        // Out of threads, or stopped: the follower has the entries, and its stream ends.
        if isTaken { wakeup.signal() } else { made.end("shutdown") }
        return follower
    }

    func stop() {
        let (thread, scans) = state.withLock { state in
            state.isStopping = true
            return (state.thread, state.all)
        }
        for scan in scans { scan.end("shutdown") }
        wakeup.signal()
        thread?.join()
    }

    private func run() {
        while true {
            let scans: [FollowScan]? = state.withLock { state in
                if state.isStopping { return nil }
                state.scans = state.scans.filter { !$0.value.retire() }
                state.others.removeAll { $0.retire() }
                return state.all
            }
            guard let scans else { return }
            for scan in scans {
                let now = Clock.monotonicNanoseconds()
                if scan.nextLook <= now { stint.run { scan.look(now) } }
            }
            let next = scans.map(\.nextLook).min()
            let wait = next.map {
                Int32(clamping: Clock.nanosecondsLeft(until: $0) / 1_000_000 + 1)
            }
            do {
                if try !poller.wait(timeoutMilliseconds: wait ?? -1).isEmpty { wakeup.clear() }
            } catch {
                preconditionFailure("epoll_wait: \(error)")
            }
        }
    }
}
