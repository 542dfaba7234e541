internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// Followers who ask for the same: what the map was at the last look, and the text of what changed.
final class FollowGroup: Sendable {
    /// What one look may keep of a map.
    static let entryLimit = 1_000_000
    static let byteLimit = 256 << 20
    /// Text that waits for the slowest follower; who is further behind is ended.
    static let textLimit = 32 << 20
    private static let heartbeatNanoseconds: UInt64 = 15_000_000_000

    private struct State {
        var entries: [[UInt8]: [UInt8]] = [:]
        /// Pieces of text, the first of which has the number `first`.
        var pieces: [[UInt8]] = []
        var first = 0
        var size = 0
        var followers = 0
        var wakes: [@Sendable () -> Void] = []
        var ended: String?
        var lastText: UInt64 = 0
    }

    private let key: FollowKey
    private let bytes: MapBytes
    private let state = Mutex(State())
    private let isCurrent: @Sendable () -> Bool
    private let due = Atomic<UInt64>(0)

    /// - Parameter isCurrent: whether the map is still the one that its name stands for.
    init(_ key: FollowKey, _ bytes: MapBytes, isCurrent: @escaping @Sendable () -> Bool)
        throws(BPFError)
    {
        self.key = key
        self.isCurrent = isCurrent
        self.bytes = bytes
        let entries = try Self.scan(bytes)
        let now = Clock.monotonicNanoseconds()
        state.withLock {
            $0.entries = entries
            $0.lastText = now
        }
        due.store(now + key.intervalNanoseconds, ordering: .relaxed)
    }

    var nextLook: UInt64 { due.load(ordering: .relaxed) }
    var isAbandoned: Bool { state.withLock { $0.followers == 0 || $0.ended != nil } }

    private static func scan(_ bytes: MapBytes) throws(BPFError) -> [[UInt8]: [UInt8]] {
        var entries: [[UInt8]: [UInt8]] = [:]
        var walk = EntryWalk(bytes.map.map)
        let size = bytes.map.map.info.keySize + bytes.map.map.lookupBytes + 128
        while try walk.fetch() {
            for index in 0..<walk.count {
                entries[Array(walk.keys[walk.keyRange(index)])] =
                    Array(walk.values[walk.valueRange(index)])
            }
            guard entries.count <= entryLimit, entries.count * size <= byteLimit else {
                throw BPFError("follow", .e2big)
            }
        }
        return entries
    }

    // MARK: Looking

    /// On the followers' thread.
    func look(_ now: UInt64) {
        due.store(now + key.intervalNanoseconds, ordering: .relaxed)
        guard isCurrent() else { return end("program_deleted") }
        let entries: [[UInt8]: [UInt8]]
        do throws(BPFError) { entries = try Self.scan(bytes) } catch {
            end(error.errno == .e2big ? "too_large" : "error")
            return
        }
        let before = state.withLock { $0.entries }
        var json = JSONWriter(capacity: 4096, int64: key.style.int64)
        var (added, changed, removed) = (0, 0, 0)
        for (entryKey, value) in entries {
            guard let old = before[entryKey] else {
                added += 1
                line("added", entryKey, value, &json)
                continue
            }
            if old != value {
                changed += 1
                line("changed", entryKey, value, &json)
            }
        }
        for entryKey in before.keys where entries[entryKey] == nil {
            removed += 1
            line("removed", entryKey, nil, &json)
        }
        let isQuiet = added + changed + removed == 0
        let lastText = state.withLock { $0.lastText }
        if isQuiet && now < lastText + Self.heartbeatNanoseconds { return }
        begin("look", &json)
        json.object {
            $0.member("kind", "look")
            $0.member("time", Timestamp.now().description)
            $0.member("entries", entries.count)
            $0.member("added", added)
            $0.member("changed", changed)
            $0.member("removed", removed)
            $0.member("duration_ns", Clock.monotonicNanoseconds() - now)
        }
        finish(&json)
        publish(json.bytes(), entries, now)
    }

    private func begin(_ kind: String, _ json: inout JSONWriter) {
        guard key.format == .sse else { return }
        json.raw("event: ")
        for byte in kind.utf8 { json.byte(byte) }
        json.raw("\ndata: ")
    }

    private func finish(_ json: inout JSONWriter) {
        json.byte(0x0A)
        if key.format == .sse { json.byte(0x0A) }
    }

    private func line(
        _ kind: String, _ entryKey: [UInt8], _ value: [UInt8]?, _ json: inout JSONWriter
    ) {
        begin(kind, &json)
        json.raw("{\"kind\":")
        json.string(kind)
        json.raw(",\"key\":")
        bytes.writeKey(entryKey.span, to: &json)
        if let value { bytes.writeValue(after: value.span, to: &json) }
        json.byte(UInt8(ascii: "}"))
        finish(&json)
    }

    private func publish(_ text: [UInt8], _ entries: [[UInt8]: [UInt8]], _ now: UInt64) {
        let wakes = state.withLock { state in
            state.entries = entries
            state.lastText = now
            state.pieces.append(text)
            state.size += text.count
            while state.size > Self.textLimit && state.pieces.count > 1 {
                state.size -= state.pieces.removeFirst().count
                state.first += 1
            }
            // Two looks are kept for whoever is still sending the last one.
            while state.pieces.count > 64 {
                state.size -= state.pieces.removeFirst().count
                state.first += 1
            }
            defer { state.wakes = [] }
            return state.wakes
        }
        for wake in wakes { wake() }
    }

    /// Ends the followers' streams with a reason.
    func end(_ reason: String) {
        let wakes = state.withLock { state in
            if state.ended == nil { state.ended = reason }
            defer { state.wakes = [] }
            return state.wakes
        }
        for wake in wakes { wake() }
    }

    // MARK: Followers

    /// A follower begins with the entries as they were at the last look.
    func join() -> MapFollower {
        let (entries, next) = state.withLock { state in
            state.followers += 1
            return (state.entries, state.first + state.pieces.count)
        }
        var json = JSONWriter(capacity: 4096, int64: key.style.int64)
        begin("hello", &json)
        json.object {
            $0.member("kind", "hello")
            $0.member("interval_ns", key.intervalNanoseconds)
            $0.member("entries", entries.count)
        }
        finish(&json)
        for (entryKey, value) in entries { line("added", entryKey, value, &json) }
        return MapFollower(self, json.bytes(), next: next)
    }

    func leave() { state.withLock { $0.followers -= 1 } }

    enum Next {
        case text([UInt8])
        case wait
        case end([UInt8])
    }

    /// The piece with the number, or `wake` is kept for when there is one.
    func piece(_ number: Int, wake: @escaping @Sendable () -> Void) -> Next {
        let ended: String? = state.withLock { state in
            if number < state.first { return "slow_consumer" }
            if number < state.first + state.pieces.count { return nil }
            if state.ended == nil { state.wakes.append(wake) }
            return state.ended ?? "wait"
        }
        switch ended {
        case nil:
            return state.withLock { state in
                // Between the two looks it may have been dropped: asked again, it is
                // "slow_consumer".
                guard number >= state.first else { return .text([]) }
                return .text(state.pieces[number - state.first])
            }
        case "wait"?: return .wait
        case let reason?:
            var json = JSONWriter(capacity: 64)
            begin("end", &json)
            json.object {
                $0.member("kind", "end")
                $0.member("reason", reason)
            }
            finish(&json)
            return .end(json.bytes())
        }
    }
}

/// One client that follows a map.
public final class MapFollower: Sendable {
    public enum Step: Sendable { case more, wait, end }

    private struct State {
        var text: [UInt8]
        var sent = 0
        var next: Int
        var isEnding = false
    }

    private let group: FollowGroup
    private let state: Mutex<State>

    init(_ group: FollowGroup, _ text: [UInt8], next: Int) {
        self.group = group
        state = Mutex(State(text: text, next: next))
    }

    /// Appends what there is; after `wait`, `wake` is called once there is more.
    public func read(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> Step
    {
        state.withLock { state in
            let before = buffer.freeCapacity
            while true {
                let count = min(state.text.count - state.sent, buffer.freeCapacity)
                for index in state.sent..<state.sent + count { buffer.append(state.text[index]) }
                state.sent += count
                if state.sent < state.text.count || buffer.freeCapacity == 0 { return .more }
                if state.isEnding { return buffer.freeCapacity < before ? .more : .end }
                if buffer.freeCapacity < before { return .more }
                state.sent = 0
                state.text = []
                switch group.piece(state.next, wake: wake) {
                case .text(let text):
                    state.text = text
                    if !text.isEmpty { state.next += 1 }
                case .wait: return .wait
                case .end(let text):
                    state.text = text
                    state.isEnding = true
                }
            }
        }
    }

    /// The client is gone.
    public func close() { group.leave() }
}
