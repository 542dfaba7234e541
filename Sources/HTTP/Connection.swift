internal import Glibc
internal import Linux
internal import Synchronization

/// What the server knows of one accepted connection; libmicrohttpd's socket context.
final class Connection: Sendable {
    /// What a connection is doing, which decides the deadline that it has.
    enum Phase: UInt64 {
        /// Between two requests.
        case idle
        /// A request line or headers are expected or on their way.
        case head
        case body
        /// A handler runs or an answer is sent.
        case answer
    }

    /// Open as long as the connection is in its `Watch`.
    let descriptor: Int32
    /// Of the listener that it came in by.
    let activity: Activity
    private let accepted: Peer
    /// With its certificate, once the handshake is over, and by whose authorities that is valid.
    private let secured = Mutex<(peer: Peer, by: TLSIdentity?)?>(nil)
    // The phase in the low byte, above it the second at which it began: one store.
    private let state: Atomic<UInt64>

    init(descriptor: Int32, peer: Peer, second: UInt64, _ activity: Activity) {
        self.descriptor = descriptor
        self.activity = activity
        activity.note(second: second)
        accepted = peer
        state = Atomic(second << 8 | Phase.head.rawValue)
    }

    var peer: Peer { secured.withLock { $0?.peer } ?? accepted }

    /// A request came, so the handshake is over: looks at the certificate, the first time and where
    /// the authorities may be others since.
    func secure(_ mhd: OpaquePointer) {
        guard case .tcp = accepted else { return }
        let identity = TLSIdentity.current
        secured.withLock { secured in
            if let secured, secured.by === identity { return }
            if let peer = unsafe accepted.secured(mhd) { secured = (peer, identity) }
        }
    }

    /// - Parameter second: of the watch's clock.
    func enter(_ phase: Phase, second: UInt64) {
        activity.note(second: second)
        state.store(second << 8 | phase.rawValue, ordering: .relaxed)
    }

    /// A request line came: the first request's headers count from the connection's start.
    func enterHead(second: UInt64) {
        if phase.phase != .head { enter(.head, second: second) }
    }

    var phase: (phase: Phase, since: UInt64) {
        let value = state.load(ordering: .relaxed)
        return (Phase(rawValue: value & 0xff) ?? .answer, value >> 8)
    }
}

extension Connection {
    /// A second descriptor of the socket, which outlives the connection.
    func duplicate() -> FileDescriptor? {
        do {
            return FileDescriptor(owning: try check(fcntl(descriptor, F_DUPFD_CLOEXEC, 3)))
        } catch { return nil }
    }
}
