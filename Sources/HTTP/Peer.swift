internal import CGnuTLS
internal import CMicrohttpd
internal import Glibc
public import Linux

/// Who is at the other end.
public enum Peer: Sendable, Hashable, CustomStringConvertible {
    /// As the kernel recorded it at connect(2).
    case unix(PeerCredentials)
    /// The address as text without the port; an IPv4 address also where it came mapped into IPv6.
    case tcp(address: String)
    /// The same over TLS, with the client's certificate where it sent one, valid or not.
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

    /// The same peer with its certificate, once its handshake is over.
    /// - Returns: nil where the connection has no TLS.
    func secured(_ connection: OpaquePointer) -> Peer? {
        guard case .tcp(let address) = self, let session = unsafe Self.session(of: connection)
        else { return nil }
        return .tls(address: address, certificate: unsafe ClientCertificate.of(session))
    }

    /// SAFETY: the session lives as long as its connection; to be used on its HTTP thread.
    static func session(of connection: OpaquePointer) -> gnutls_session_t? {
        let info = unsafe apiary_mhd_connection_info(
            connection, .CONNECTION_INFO_GNUTLS_SESSION)
        guard let raw = unsafe info?.pointee.tls_session else { return nil }
        return OpaquePointer(raw)
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
