internal import CMicrohttpd
internal import Linux
internal import Synchronization

/// One request and its answer, from the first line to the last byte. Belongs to its connection's
/// HTTP thread, except between `suspend` and `resume`, when a worker has it.
@safe
final class Exchange: @unchecked Sendable {
    enum Phase {
        case head
        case body(Admission.Plan, BodyReader)
        case running
        case answered
    }

    // SAFETY: every member but `answer` is touched by the connection's thread only; `answer` goes
    // from the worker to that thread through MHD_resume_connection, which orders the two.
    let uri: String
    var phase = Phase.head
    var requestID = ""
    var acceptsGzip = false
    var head: RequestHead?
    var answer: Response?
    var stream: StreamSource?

    init(uri: String) {
        self.uri = uri
    }
}

/// What is known of a connection for all its requests.
final class ConnectionContext: Sendable {
    let peer: Peer

    init(peer: Peer) {
        self.peer = peer
    }
}
