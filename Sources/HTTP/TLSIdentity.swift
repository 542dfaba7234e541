internal import CGnuTLS
internal import Synchronization

/// Why certificates or keys cannot be used.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// Who this process is on TLS, and whose certificates it believes. There is one for a process:
/// gnutls asks for it without saying on whose behalf. It can be replaced while connections are
/// open: they keep what they have, new ones get the new.
@safe public final class TLSIdentity: Sendable {
    // SAFETY: written here alone and never after `init`; gnutls only reads them.
    nonisolated(unsafe) let chain: UnsafeMutablePointer<gnutls_pcert_st>
    let chainCount: UInt32
    nonisolated(unsafe) let key: gnutls_privkey_t
    nonisolated(unsafe) let authorities: gnutls_x509_trust_list_t?
    let authoritiesPEM: String?

    private static let chainLimit: UInt32 = 16

    /// The one in force. Those before it stay, for handshakes that are under way: some KB each.
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
        try Self.checkPair(certificate, key)
        var count = Self.chainLimit
        let chain = UnsafeMutablePointer<gnutls_pcert_st>.allocate(capacity: Int(count))
        let imported = unsafe withDatum(certificate) { datum in
            unsafe gnutls_pcert_list_import_x509_raw(
                chain, &count, datum, GNUTLS_X509_FMT_PEM, 0)
        }
        guard imported == 0 else { throw Self.error("tls_cert", imported) }
        var made: gnutls_privkey_t?
        unsafe gnutls_privkey_init(&made)
        guard let made = unsafe made else {
            throw TLSError(description: "gnutls has no memory for tls_key")
        }
        let result = unsafe withDatum(key) { datum in
            unsafe gnutls_privkey_import_x509_raw(made, datum, GNUTLS_X509_FMT_PEM, nil, 0)
        }
        guard result == 0 else { throw Self.error("tls_key", result) }
        unsafe self.chain = chain
        chainCount = count
        unsafe self.key = made
        authoritiesPEM = clientAuthorities.map { String(decoding: $0, as: UTF8.self) }
        unsafe authorities = try clientAuthorities.map(Self.trustList)
    }

    private static func checkPair(_ certificate: [UInt8], _ key: [UInt8]) throws(TLSError) {
        var credentials: gnutls_certificate_credentials_t?
        unsafe gnutls_certificate_allocate_credentials(&credentials)
        defer { unsafe gnutls_certificate_free_credentials(credentials) }
        let result = unsafe withDatum(certificate) { certificate in
            unsafe withDatum(key) { key in
                unsafe gnutls_certificate_set_x509_key_mem(
                    credentials, certificate, key, GNUTLS_X509_FMT_PEM)
            }
        }
        guard result >= 0 else { throw error("tls_cert with tls_key", result) }
    }

    private static func trustList(_ pem: [UInt8]) throws(TLSError) -> gnutls_x509_trust_list_t {
        var list: gnutls_x509_trust_list_t?
        unsafe gnutls_x509_trust_list_init(&list, 0)
        guard let list = unsafe list else {
            throw TLSError(description: "gnutls has no memory for client_ca")
        }
        let count = unsafe withDatum(pem) { datum in
            unsafe gnutls_x509_trust_list_add_trust_mem(
                list, datum, nil, GNUTLS_X509_FMT_PEM, 0, 0)
        }
        guard count > 0 else {
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
    deinit {
        for index in 0..<Int(chainCount) { unsafe gnutls_pcert_deinit(chain + index) }
        unsafe chain.deallocate()
        unsafe gnutls_privkey_deinit(key)
        if let authorities = unsafe authorities {
            unsafe gnutls_x509_trust_list_deinit(authorities, 1)
        }
    }
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

/// gnutls_certificate_retrieve_function2: which certificate the server shows.
func certificateWanted(
    _ session: gnutls_session_t?, _ names: UnsafePointer<gnutls_datum_t>?, _ nameCount: Int32,
    _ algorithms: UnsafePointer<gnutls_pk_algorithm_t>?, _ algorithmCount: Int32,
    _ chain: UnsafeMutablePointer<UnsafeMutablePointer<gnutls_pcert_st>?>?,
    _ chainCount: UnsafeMutablePointer<UInt32>?, _ key: UnsafeMutablePointer<gnutls_privkey_t?>?
) -> Int32 {
    guard let identity = TLSIdentity.current else { return -1 }
    // SAFETY: an active identity lives as long as the process; gnutls frees none of it.
    unsafe chain?.pointee = identity.chain
    unsafe chainCount?.pointee = identity.chainCount
    unsafe key?.pointee = identity.key
    return 0
}
