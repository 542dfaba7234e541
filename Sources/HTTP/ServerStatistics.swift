internal import Synchronization

/// What a server has and did, for whoever watches it; read at any time, from any thread.
public final class ServerStatistics: Sendable {
    private let unixConnections = Atomic<Int>(0)
    private let tcpConnections = Atomic<Int>(0)
    private let accepted = Atomic<UInt64>(0)
    private let requests = Atomic<Int>(0)
    private let streams = Atomic<Int>(0)
    private let expired = Atomic<UInt64>(0)

    public init() {}

    /// One look at the numbers, which move while it is taken.
    public struct Snapshot: Sendable {
        /// Open now.
        public let unixConnections, tcpConnections: Int
        /// Since the start.
        public let acceptedConnections: UInt64
        /// Connections that an absolute deadline or a stalled client ended.
        public let expiredConnections: UInt64
        /// Running now, streams among them.
        public let requests, streams: Int
    }

    public var snapshot: Snapshot {
        Snapshot(
            unixConnections: unixConnections.load(ordering: .relaxed),
            tcpConnections: tcpConnections.load(ordering: .relaxed),
            acceptedConnections: accepted.load(ordering: .relaxed),
            expiredConnections: expired.load(ordering: .relaxed),
            requests: requests.load(ordering: .relaxed), streams: streams.load(ordering: .relaxed))
    }

    func connectionOpened(_ peer: Peer) {
        accepted.wrappingAdd(1, ordering: .relaxed)
        open(of: peer, change: 1)
    }

    func connectionClosed(_ peer: Peer) { open(of: peer, change: -1) }

    func connectionExpired() { expired.wrappingAdd(1, ordering: .relaxed) }

    func requestBegan() { requests.wrappingAdd(1, ordering: .relaxed) }

    func requestEnded() { requests.wrappingSubtract(1, ordering: .relaxed) }

    func streamBegan() { streams.wrappingAdd(1, ordering: .relaxed) }

    func streamEnded() { streams.wrappingSubtract(1, ordering: .relaxed) }

    private func open(of peer: Peer, change: Int) {
        switch peer {
        case .unix: unixConnections.wrappingAdd(change, ordering: .relaxed)
        case .tcp, .tls: tcpConnections.wrappingAdd(change, ordering: .relaxed)
        }
    }
}

/// One answer, as the application hears of it when its first byte is about to be sent.
public struct AnswerNote: Sendable {
    /// The plan's `tag`; `nil` where the request was refused before it had a plan.
    public let tag: Int?
    public let status: Int
    /// From the request line to the answer, the body's arrival included.
    public let nanoseconds: UInt64
    public let requestID: String
    /// `nil` where the gate refused the head.
    public let head: RequestHead?
    public let peer: Peer
}
