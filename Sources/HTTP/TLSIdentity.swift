internal import CGnuTLS
internal import Synchronization

/// Why certificates or keys cannot be used.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// Who this process is on TLS, and whose certificates it believes. There is one for a process. It
/// can be replaced while connections are open: they keep what they have, new ones get the new.
@safe public final class TLSIdentity: Sendable {
    // SAFETY: written here alone and never after `init`; gnutls only reads them.
    private nonisolated(unsafe) let credentials: gnutls_certificate_credentials_t
    /// The credentials' own; nil: clients are asked for no certificate.
    nonisolated(unsafe) let authorities: gnutls_x509_trust_list_t?
    let authoritiesPEM: String?

    /// The one in force. Those before it stay, for connections that began with them: some KB each.
    private static let all = Mutex<[TLSIdentity]>([])

    static var current: TLSIdentity? { all.withLock { $0.last } }

    /// Puts it in force.
    /// - Returns: whether it believes other clients' certificates than the one before.
    @discardableResult
    public func activate() -> Bool {
        Self.all.withLock { all in
            defer { all.append(self) }
            return all.last?.authoritiesPEM != authoritiesPEM
        }
    }

    /// - Parameters:
    ///   - certificate: PEM, the server's own first, then those up to the authority.
    ///   - key: PEM, of that certificate, without a password.
    ///   - clientAuthorities: PEM; nil: clients are asked for no certificate.
    /// - Throws: which of them cannot be used, and why; also where the key is another's.
    public init(certificate: [UInt8], key: [UInt8], clientAuthorities: [UInt8]?) throws(TLSError) {
        var made: gnutls_certificate_credentials_t?
        unsafe gnutls_certificate_allocate_credentials(&made)
        guard let made = unsafe made else {
            throw TLSError(description: "gnutls has no memory for tls_cert")
        }
        unsafe credentials = made
        authoritiesPEM = clientAuthorities.map { String(decoding: $0, as: UTF8.self) }
        do throws(TLSError) {
            try unsafe Self.take(certificate, key, into: made)
            unsafe authorities = try clientAuthorities.map { pem throws(TLSError) in
                try unsafe Self.take(authorities: pem, into: made)
            }
        } catch {
            // SAFETY: nobody has them yet, and the object that would free them is none.
            unsafe gnutls_certificate_free_credentials(made)
            throw error
        }
    }

    /// To be called before the handshake, on the connection's HTTP thread: what the server shows
    /// there, and whether it asks for the client's certificate, and by which authorities.
    func serve(_ session: gnutls_session_t) {
        // SAFETY: an active identity lives as long as the process.
        unsafe gnutls_credentials_set(
            session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials))
        unsafe gnutls_certificate_server_set_request(
            session, authorities == nil ? GNUTLS_CERT_IGNORE : GNUTLS_CERT_REQUEST)
    }

    private static func take(
        _ certificate: [UInt8], _ key: [UInt8], into credentials: gnutls_certificate_credentials_t
    ) throws(TLSError) {
        let result = unsafe withDatum(certificate) { certificate in
            unsafe withDatum(key) { key in
                unsafe gnutls_certificate_set_x509_key_mem(
                    credentials, certificate, key, GNUTLS_X509_FMT_PEM)
            }
        }
        guard result >= 0 else { throw error("tls_cert with tls_key", result) }
    }

    private static func take(
        authorities pem: [UInt8], into credentials: gnutls_certificate_credentials_t
    ) throws(TLSError) -> gnutls_x509_trust_list_t {
        let count = unsafe withDatum(pem) { datum in
            unsafe gnutls_certificate_set_x509_trust_mem(credentials, datum, GNUTLS_X509_FMT_PEM)
        }
        var list: gnutls_x509_trust_list_t?
        unsafe gnutls_certificate_get_trust_list(credentials, &list)
        guard count > 0, let list = unsafe list else {
            throw count < 0
                ? error("client_ca", count)
                : TLSError(description: "client_ca holds no certificate in PEM")
        }
        return unsafe list
    }

    private static func error(_ what: String, _ code: Int32) -> TLSError {
        // SAFETY: gnutls's texts are constants.
        let text = unsafe gnutls_strerror(code).map { unsafe String(cString: $0) } ?? "\(code)"
        return TLSError(description: "\(what) cannot be used: \(text)")
    }

    // SAFETY: nobody else has them; an identity that was active is never freed.
    deinit { unsafe gnutls_certificate_free_credentials(credentials) }
}

/// Lends bytes to gnutls as its datum, for one call.
func withDatum<Result>(
    _ bytes: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Result
) -> Result {
    var bytes = bytes
    return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
        // SAFETY: gnutls reads `size` bytes and keeps nothing of them.
        var datum = unsafe gnutls_datum_t(data: buffer.baseAddress, size: UInt32(buffer.count))
        return unsafe withUnsafePointer(to: &datum) { unsafe body($0) }
    }
}

/// gnutls_certificate_retrieve_function2 of libmicrohttpd's own credentials, which it wants before
/// it starts: they show no certificate, so a connection without an identity has no handshake.
func noCertificate(
    _ session: gnutls_session_t?, _ names: UnsafePointer<gnutls_datum_t>?, _ nameCount: Int32,
    _ algorithms: UnsafePointer<gnutls_pk_algorithm_t>?, _ algorithmCount: Int32,
    _ chain: UnsafeMutablePointer<UnsafeMutablePointer<gnutls_pcert_st>?>?,
    _ chainCount: UnsafeMutablePointer<UInt32>?, _ key: UnsafeMutablePointer<gnutls_privkey_t?>?
) -> Int32 { -1 }
