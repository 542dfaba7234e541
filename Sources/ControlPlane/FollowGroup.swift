internal import BPF
internal import JSON
internal import Linux
internal import Synchronization

/// How a follower's lines are framed.
public enum FollowFormat: String, Sendable, CaseIterable { case ndjson, sse }

/// Followers who ask for the same of a map: the text of what changed, made once for all of them.
final class FollowGroup: Sendable {
    /// What makes followers alike.
    struct Form: Sendable, Hashable {
        let style: EntryStyle
        let format: FollowFormat
        let conditions: [String]
        let prefix: String?
    }

    /// Text that waits for the slowest follower; who is further behind is ended.
    static let textLimit = 32 << 20
    private static let pieceLimit = 64

    private struct State {
        /// Pieces of text, the first of which has the number `first`.
        var pieces: [[UInt8]] = []
        var first = 0
        var size = 0
        var followers = 0
        var wakes: [@Sendable () -> Void] = []
        var ended: String?
    }

    private let form: Form
    private let bytes: MapBytes
    private let filter: EntryFilter
    private let state = Mutex(State())

    init(_ form: Form, _ bytes: MapBytes, _ filter: EntryFilter) {
        self.form = form
        self.bytes = bytes
        self.filter = filter
    }

    var isAbandoned: Bool { state.withLock { $0.followers == 0 } }

    // MARK: Text

    /// The first lines of a follower: the entries as they are, as added.
    func hello(_ entries: EntrySnapshot, _ interval: UInt64) -> [UInt8] {
        var json = JSONWriter(capacity: 4096, int64: form.style.int64)
        begin("hello", &json)
        json.object {
            $0.member("kind", "hello")
            $0.member("interval_ns", interval)
            $0.member("entries", entries.count)
        }
        finish(&json)
        for index in 0..<entries.count where isWanted(entries, index) {
            line("added", entries, index, &json)
        }
        return json.bytes()
    }

    /// Makes the text of a look and keeps it for the followers.
    /// - Returns: what wakes those who wait for it.
    func publish(
        _ changes: EntryChanges, from old: EntrySnapshot, to new: EntrySnapshot,
        _ duration: UInt64, isHeartbeat: Bool
    ) -> [@Sendable () -> Void] {
        var json = JSONWriter(capacity: 4096, int64: form.style.int64)
        var (added, changed, removed) = (0, 0, 0)
        for index in changes.added where isWanted(new, index) {
            added += 1
            line("added", new, index, &json)
        }
        for change in changes.changed {
            // What a condition let in or out by its change has come or gone.
            switch (isWanted(old, change.old), isWanted(new, change.new)) {
            case (true, true):
                changed += 1
                line("changed", new, change.new, &json)
            case (false, true):
                added += 1
                line("added", new, change.new, &json)
            case (true, false):
                removed += 1
                line("removed", old, change.old, &json)
            case (false, false): break
            }
        }
        for index in changes.removed where isWanted(old, index) {
            removed += 1
            line("removed", old, index, &json)
        }
        if added + changed + removed == 0 && !isHeartbeat { return [] }
        begin("look", &json)
        json.object {
            $0.member("kind", "look")
            $0.member("time", Timestamp.now().description)
            $0.member("entries", new.count)
            $0.member("added", added)
            $0.member("changed", changed)
            $0.member("removed", removed)
            $0.member("duration_ns", duration)
        }
        finish(&json)
        return keep(json.bytes())
    }

    private func isWanted(_ entries: EntrySnapshot, _ index: Int) -> Bool {
        if filter.isEmpty { return true }
        let (keys, values) = (entries.allKeys, entries.allValues)
        return filter.matches(
            key: keys.span.extracting(entries.keyRange(index)),
            value: values.span.extracting(entries.valueRange(index)), stride: bytes.stride,
            cpus: bytes.isPerCPU ? bytes.cpus : 1)
    }

    private func line(
        _ kind: String, _ entries: EntrySnapshot, _ index: Int, _ json: inout JSONWriter
    ) {
        let (keys, values) = (entries.allKeys, entries.allValues)
        begin(kind, &json)
        json.raw("{\"kind\":")
        json.string(kind)
        json.raw(",\"key\":")
        bytes.writeKey(keys.span.extracting(entries.keyRange(index)), to: &json)
        if kind != "removed" {
            bytes.writeValue(
                after: values.span.extracting(entries.valueRange(index)), to: &json)
        }
        json.byte(UInt8(ascii: "}"))
        finish(&json)
    }

    private func begin(_ kind: String, _ json: inout JSONWriter) {
        guard form.format == .sse else { return }
        json.raw("event: ")
        for byte in kind.utf8 { json.byte(byte) }
        json.raw("\ndata: ")
    }

    private func finish(_ json: inout JSONWriter) {
        json.byte(0x0A)
        if form.format == .sse { json.byte(0x0A) }
    }

    // MARK: Followers

    private func keep(_ text: [UInt8]) -> [@Sendable () -> Void] {
        state.withLock { state in
            state.pieces.append(text)
            state.size += text.count
            while state.pieces.count > 1
                && (state.size > Self.textLimit || state.pieces.count > Self.pieceLimit)
            {
                state.size -= state.pieces.removeFirst().count
                state.first += 1
            }
            defer { state.wakes = [] }
            return state.wakes
        }
    }

    /// - Returns: what wakes those who wait.
    func end(_ reason: String) -> [@Sendable () -> Void] {
        state.withLock { state in
            if state.ended == nil { state.ended = reason }
            defer { state.wakes = [] }
            return state.wakes
        }
    }

    /// One more follower. - Returns: the number of the first piece that is new to it.
    func enter() -> Int {
        state.withLock { state in
            state.followers += 1
            return state.first + state.pieces.count
        }
    }

    func leave() { state.withLock { $0.followers -= 1 } }

    enum Next {
        case text([UInt8])
        case wait
        case end([UInt8])
    }

    /// The piece with the number, or `wake` is kept for when there is one.
    func piece(_ number: Int, wake: @escaping @Sendable () -> Void) -> Next {
        let found: (text: [UInt8]?, ended: String?) = state.withLock { state in
            if number < state.first { return (nil, "slow_consumer") }
            if number < state.first + state.pieces.count {
                return (state.pieces[number - state.first], nil)
            }
            if state.ended == nil { state.wakes.append(wake) }
            return (nil, state.ended)
        }
        if let text = found.text { return .text(text) }
        guard let reason = found.ended else { return .wait }
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
