internal import CMicrohttpd
internal import Glibc
public import Linux

/// Who is at the other end.
public enum Peer: Sendable, Hashable, CustomStringConvertible {
    /// As the kernel recorded it at connect(2).
    case unix(PeerCredentials)
    /// The address as text without the port; an IPv4 address also where it came mapped into IPv6.
    case tcp(address: String)
    /// The same over TLS, with the client's certificate where it sent one that is valid.
    case tls(address: String, certificate: ClientCertificate?)

    /// As in the log: `unix:uid=0,pid=7`, `tcp:127.0.0.1`.
    public var description: String {
        switch self {
        case .unix(let peer): "unix:uid=\(peer.userID),pid=\(peer.processID)"
        case .tcp(let address): "tcp:\(address)"
        case .tls(let address, _): "tls:\(address)"
        }
    }

    var isLocal: Bool { if case .unix = self { true } else { false } }
}

/// A client's certificate, verified against the configured authorities.
public struct ClientCertificate: Sendable, Hashable {
    /// DNS, mail and URI names of the certificate (RFC 5280, 4.2.1.6), then the subject's CN.
    public let names: [String]
    /// SHA-256 of the certificate, in hex.
    public let fingerprint: String

    /// For tests and for callers that make a request without a connection.
    public init(names: [String], fingerprint: String) {
        self.names = names
        self.fingerprint = fingerprint
    }
}

extension Peer {
    /// Asks the connection's socket. The family decides: SO_PEERCRED answers for TCP as well.
    static func of(_ connection: OpaquePointer, descriptor: Int32) -> Peer {
        if let credentials = PeerCredentials(socket: descriptor) { return .unix(credentials) }
        // SAFETY: the address belongs to the connection, whose start is being announced.
        guard
            let info = unsafe apiary_mhd_connection_info(
                connection, .CONNECTION_INFO_CLIENT_ADDRESS),
            let address = unsafe info.pointee.client_addr
        else { return .tcp(address: "") }
        return .tcp(address: unsafe text(of: address))
    }

    private static func text(of address: UnsafeMutablePointer<sockaddr>) -> String {
        let length =
            unsafe address.pointee.sa_family == sa_family_t(AF_INET6)
            ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            // SAFETY: the buffer is ours for this closure and its size is given; getnameinfo
            // with NI_NUMERICHOST asks no resolver and ends the text with a NUL.
            guard let base = buffer.baseAddress,
                unsafe getnameinfo(
                    address, socklen_t(length), base, socklen_t(buffer.count), nil, 0,
                    NI_NUMERICHOST) == 0
            else { return "" }
            return unsafe String(cString: base)
        }
        return text.hasPrefix("::ffff:") ? String(text.dropFirst(7)) : text
    }
}
