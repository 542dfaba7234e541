internal import CMicrohttpd
internal import Synchronization

/// One connection's right to be suspended and resumed, which outlives the connection safely.
///
/// libmicrohttpd lets any thread resume a suspended connection, but neither one that is not
/// suspended nor one that is gone, and wants all resumed before a daemon is stopped. A suspended
/// connection cannot die (nobody watches its socket), so under this lock the pointer is valid
/// wherever the state says `suspended`.
@safe final class Suspension: Sendable {
    private enum State { case running, signalled, suspended, ending, closed }

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

    /// - Parameter isEnding: true where the server closes already.
    init(_ connection: OpaquePointer, isEnding: Bool) {
        unsafe self.connection = connection
        state = Mutex(isEnding ? .ending : .running)
    }

    /// Called in a callback of the connection, on its HTTP thread.
    func suspend() -> Outcome {
        state.withLock { state in
            switch state {
            case .running:
                state = .suspended
                unsafe MHD_suspend_connection(connection)
                return .suspended
            case .signalled:
                state = .running
                return .woken
            case .suspended, .ending, .closed: return .ending
            }
        }
    }

    /// Gives other connections of the thread their turn: suspends and resumes at once.
    func yield() -> Outcome {
        state.withLock { state in
            guard state == .running || state == .signalled else { return .ending }
            state = .running
            unsafe MHD_suspend_connection(connection)
            unsafe MHD_resume_connection(connection)
            return .suspended
        }
    }

    /// From any thread, at any time, any number of times.
    func wake() {
        state.withLock { state in
            switch state {
            case .running: state = .signalled
            case .suspended:
                state = .running
                unsafe MHD_resume_connection(connection)
            case .signalled, .ending, .closed: break
            }
        }
    }

    /// Wakes it for the last time: from now on `suspend` says `ending`. From any thread.
    func end() {
        state.withLock { state in
            switch state {
            case .running, .signalled: state = .ending
            case .suspended:
                state = .ending
                unsafe MHD_resume_connection(connection)
            case .ending, .closed: break
            }
        }
    }

    var isEnding: Bool { state.withLock { $0 == .ending || $0 == .closed } }

    /// The connection is about to die; called on its HTTP thread.
    func close() { state.withLock { $0 = .closed } }
}
