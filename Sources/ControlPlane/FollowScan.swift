internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// One map that is looked at once an interval, however many follow it and in whatever form.
final class FollowScan: Sendable {
    struct Key: Sendable, Hashable {
        let mapID: UInt32
        let intervalNanoseconds: UInt64
    }

    private struct State {
        var entries: EntrySnapshot
        var groups: [FollowGroup.Form: FollowGroup] = [:]
        var lastText: UInt64
        var ended: String?
    }

    /// What one look may keep of a map.
    static let entryLimit = 1_000_000
    static let byteLimit = 256 << 20
    private static let heartbeatNanoseconds: UInt64 = 15_000_000_000

    private let key: Key
    private let map: Map
    private let isCurrent: @Sendable () -> Bool
    // Held for a look and all the texts it makes, so that who joins is before it or behind it.
    private let state: Mutex<State>
    private let due: Atomic<UInt64>

    /// Looks for the first time.
    /// - Parameter isCurrent: whether the map is still the one that its name stands for.
    init(_ key: Key, _ map: Map, isCurrent: @escaping @Sendable () -> Bool) throws(BPFError) {
        self.key = key
        self.map = map
        self.isCurrent = isCurrent
        let entries = try Self.look(at: map)
        let now = Clock.monotonicNanoseconds()
        state = Mutex(State(entries: entries, lastText: now))
        due = Atomic(now + key.intervalNanoseconds)
    }

    private static func look(at map: Map) throws(BPFError) -> EntrySnapshot {
        try EntrySnapshot(of: map, limit: entryLimit, byteLimit: byteLimit)
    }

    var nextLook: UInt64 { due.load(ordering: .relaxed) }

    /// Forgets the forms that nobody wants, and ends where nobody follows any more: who comes then
    /// begins anew.
    /// - Returns: whether it has ended.
    func retire() -> Bool {
        state.withLock { state in
            state.groups = state.groups.filter { !$0.value.isAbandoned }
            if state.groups.isEmpty && state.ended == nil { state.ended = "abandoned" }
            return state.ended != nil
        }
    }

    /// A follower, who begins with the entries as they were at the last look; nil where the
    /// following has ended.
    func join(_ form: FollowGroup.Form, _ bytes: MapBytes, _ filter: EntryFilter) -> MapFollower? {
        let found: (group: FollowGroup, entries: EntrySnapshot, next: Int)? =
            state.withLock { state in
                guard state.ended == nil else { return nil }
                let group = state.groups[form] ?? FollowGroup(form, bytes, filter)
                state.groups[form] = group
                return (group, state.entries, group.enter())
            }
        guard let found else { return nil }
        let text = found.group.hello(found.entries, key.intervalNanoseconds)
        return MapFollower(found.group, text, next: found.next)
    }

    /// On the followers' thread.
    func look(_ now: UInt64) {
        due.store(now + key.intervalNanoseconds, ordering: .relaxed)
        guard isCurrent() else { return end("program_deleted") }
        let entries: EntrySnapshot
        do throws(BPFError) { entries = try Self.look(at: map) } catch {
            return end(error.errno == .e2big ? "too_large" : "error")
        }
        let duration = Clock.monotonicNanoseconds() - now
        let wakes = state.withLock { state in
            let changes = EntryChanges(from: state.entries, to: entries)
            let isDue = now >= state.lastText + Self.heartbeatNanoseconds
            if isDue { state.lastText = now }
            var wakes: [@Sendable () -> Void] = []
            for group in state.groups.values {
                wakes += group.publish(
                    changes, from: state.entries, to: entries, duration, isHeartbeat: isDue)
            }
            state.entries = entries
            return wakes
        }
        for wake in wakes { wake() }
    }

    /// Ends the followers' streams with a reason.
    func end(_ reason: String) {
        let wakes = state.withLock { state in
            if state.ended == nil { state.ended = reason }
            return state.groups.values.flatMap { $0.end(reason) }
        }
        for wake in wakes { wake() }
    }
}

/// What became of entries between two looks, by their numbers in the two snapshots.
struct EntryChanges {
    private(set) var added: [Int] = []
    private(set) var changed: [(old: Int, new: Int)] = []
    private(set) var removed: [Int] = []

    init(from old: EntrySnapshot, to new: EntrySnapshot) {
        var isSeen = [Bool](repeating: false, count: old.count)
        let (keys, values) = (new.allKeys, new.allValues)
        for index in 0..<new.count {
            guard let before = old.find(keys.span.extracting(new.keyRange(index))) else {
                added.append(index)
                continue
            }
            isSeen[before] = true
            if !old.isValue(values.span.extracting(new.valueRange(index)), before) {
                changed.append((before, index))
            }
        }
        for index in isSeen.indices where !isSeen[index] { removed.append(index) }
    }
}
