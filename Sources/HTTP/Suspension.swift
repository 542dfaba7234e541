internal import CMicrohttpd
internal import Synchronization

/// One connection's right to be suspended and resumed, which outlives the connection safely.
///
/// libmicrohttpd lets any thread resume a suspended connection, but neither one that is not
/// suspended nor one that is gone, and wants all resumed before a daemon is stopped. A suspended
/// connection cannot die (nobody watches its socket), so under this lock the pointer is valid
/// wherever the state says `suspended` or `queued`.
@safe final class Suspension: Sendable {
    private enum Phase { case running, signalled, suspended, queued, ending, closed }

    private struct State {
        var phase: Phase
        /// Whether it was resumed by `StreamTurns`, which waits to hear of it.
        var hasTurn = false
    }

    enum Outcome {
        /// The connection sleeps; the callback returns now.
        case suspended
        /// `wake` came first: go on.
        case woken
        /// The server or the client ends it: give up.
        case ending
    }

    private nonisolated(unsafe) let connection: OpaquePointer
    private let state: Mutex<State>
    private let turns: StreamTurns?

    /// - Parameters:
    ///   - isEnding: true where the server closes already.
    ///   - turns: by which it is resumed; nil: at once.
    init(_ connection: OpaquePointer, isEnding: Bool, _ turns: StreamTurns? = nil) {
        unsafe self.connection = connection
        self.turns = turns
        state = Mutex(State(phase: isEnding ? .ending : .running))
    }

    /// Called in a callback of the connection, on its HTTP thread.
    func suspend() -> Outcome {
        state.withLock { state in
            switch state.phase {
            case .running:
                state.phase = .suspended
                unsafe MHD_suspend_connection(connection)
                return .suspended
            case .signalled:
                state.phase = .running
                return .woken
            case .suspended, .queued, .ending, .closed: return .ending
            }
        }
    }

    /// Gives other connections of the thread their turn, as `suspend` and `wake` do.
    func yield() -> Outcome {
        let isSuspended = state.withLock { state in
            guard state.phase == .running || state.phase == .signalled else { return false }
            state.phase = .suspended
            unsafe MHD_suspend_connection(connection)
            return true
        }
        guard isSuspended else { return .ending }
        wake()
        return .suspended
    }

    /// From any thread, at any time, any number of times.
    func wake() {
        let isQueued = state.withLock { state in
            switch state.phase {
            case .running: state.phase = .signalled
            case .suspended:
                if turns != nil {
                    state.phase = .queued
                    return true
                }
                state.phase = .running
                unsafe MHD_resume_connection(connection)
            case .signalled, .queued, .ending, .closed: break
            }
            return false
        }
        if isQueued { turns?.queue(self) }
    }

    /// It is its turn. For `StreamTurns`.
    /// - Returns: false where it does not wait for one any more.
    func resume() -> Bool {
        state.withLock { state in
            guard state.phase == .queued else { return false }
            state = State(phase: .running, hasTurn: true)
            unsafe MHD_resume_connection(connection)
            return true
        }
    }

    /// Called on its HTTP thread when the connection is asked for bytes.
    /// - Returns: whether it was its turn; it is over now.
    func endTurn() -> Bool {
        let hadTurn = state.withLock { state in
            defer { state.hasTurn = false }
            return state.hasTurn
        }
        if hadTurn { turns?.end() }
        return hadTurn
    }

    /// Wakes it for the last time: from now on `suspend` says `ending`. From any thread.
    func end() {
        state.withLock { state in
            switch state.phase {
            case .running, .signalled: state.phase = .ending
            case .suspended, .queued:
                state.phase = .ending
                unsafe MHD_resume_connection(connection)
            case .ending, .closed: break
            }
        }
    }

    var isEnding: Bool { state.withLock { $0.phase == .ending || $0.phase == .closed } }

    /// The connection is about to die; called on its HTTP thread.
    func close() {
        state.withLock { $0.phase = .closed }
        _ = endTurn()
    }
}
