internal import JSON
internal import Synchronization

/// One client that follows a map.
public final class MapFollower: Sendable {
    public enum Step: Sendable { case more, wait, end }

    private struct State {
        /// Shared with the group's other followers: never written to.
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
                state.sent += JSONWriter.copy(state.text.span, from: state.sent, into: &buffer)
                if state.sent < state.text.count || buffer.freeCapacity == 0 { return .more }
                if state.isEnding { return buffer.freeCapacity < before ? .more : .end }
                if buffer.freeCapacity < before { return .more }
                state.sent = 0
                state.text = []
                switch group.piece(state.next, wake: wake) {
                case .text(let text):
                    state.text = text
                    state.next += 1
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
