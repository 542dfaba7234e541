internal import CGnuTLS
internal import CMicrohttpd
internal import Cryptography

/// A client's certificate, held against the configured authorities.
public struct ClientCertificate: Sendable, Hashable {
    /// DNS, mail and URI names of the certificate (RFC 5280, 4.2.1.6), then the subject's CN; none
    /// where it is not valid.
    public let names: [String]
    /// SHA-256 of the certificate, in hex.
    public let fingerprint: String
    /// Why it is not valid.
    public let fault: String?

    /// For tests and for callers that make a request without a connection.
    public init(names: [String], fingerprint: String, fault: String? = nil) {
        self.names = names
        self.fingerprint = fingerprint
        self.fault = fault
    }
}

extension ClientCertificate {
    private static let chainLimit: UInt32 = 16
    /// id-kp-clientAuth of RFC 5280, 4.2.1.12.
    private static let clientPurpose = "1.3.6.1.5.5.7.3.2"

    /// Of a connection whose handshake is over, on its HTTP thread; nil where it sent none.
    /// libmicrohttpd only asks for a certificate: whether it is valid is decided here.
    static func of(_ session: gnutls_session_t) -> ClientCertificate? {
        var count: UInt32 = 0
        // SAFETY: the list is the session's, which lives as long as this call.
        guard let list = unsafe gnutls_certificate_get_peers(session, &count), count > 0 else {
            return nil
        }
        let leaf = unsafe Array(
            UnsafeBufferPointer(start: list[0].data, count: Int(list[0].size)))
        let fingerprint = SHA256.hexDigest(of: leaf.span) ?? ""
        guard count <= chainLimit else {
            return ClientCertificate(
                names: [], fingerprint: fingerprint, fault: "its chain is longer than 16")
        }
        var certificates: [gnutls_x509_crt_t?] = unsafe []
        defer {
            let made = unsafe certificates.count
            for index in 0..<made { unsafe gnutls_x509_crt_deinit(certificates[index]) }
        }
        for index in 0..<Int(count) {
            var certificate: gnutls_x509_crt_t?
            unsafe gnutls_x509_crt_init(&certificate)
            unsafe certificates.append(certificate)
            guard unsafe gnutls_x509_crt_import(certificate, list + index, GNUTLS_X509_FMT_DER) == 0
            else {
                return ClientCertificate(
                    names: [], fingerprint: fingerprint, fault: "it cannot be read")
            }
        }
        if let fault = unsafe fault(of: &certificates) {
            return ClientCertificate(names: [], fingerprint: fingerprint, fault: fault)
        }
        return ClientCertificate(
            names: unsafe names(of: certificates[0]), fingerprint: fingerprint)
    }

    /// Signatures up to an authority, dates, and that it is meant for clients.
    private static func fault(of certificates: inout [gnutls_x509_crt_t?]) -> String? {
        guard let authorities = unsafe TLSIdentity.current?.authorities else {
            return "no client_ca is configured"
        }
        var purpose = Array(clientPurpose.utf8) + [0]
        var status: UInt32 = 0
        let result = unsafe purpose.withUnsafeMutableBufferPointer { purpose in
            // SAFETY: a text with its NUL, and a list of live certificates, for this call.
            var data = unsafe gnutls_typed_vdata_st(
                type: GNUTLS_DT_KEY_PURPOSE_OID, data: purpose.baseAddress, size: 0)
            return unsafe certificates.withUnsafeMutableBufferPointer { list in
                unsafe gnutls_x509_trust_list_verify_crt2(
                    authorities, list.baseAddress, UInt32(list.count), &data, 1, 0, &status, nil)
            }
        }
        guard result == 0 else { return "it could not be verified" }
        guard status != 0 else { return nil }
        var text = unsafe gnutls_datum_t()
        guard
            unsafe gnutls_certificate_verification_status_print(
                status, GNUTLS_CRT_X509, &text, 0) == 0, let data = unsafe text.data
        else { return "it is not valid" }
        defer { unsafe apiary_gnutls_free(data) }
        // SAFETY: gnutls made the text and says its length, the NUL not among it.
        return unsafe String(
            decoding: UnsafeBufferPointer(start: data, count: Int(text.size)), as: UTF8.self)
    }

    private static func names(of certificate: gnutls_x509_crt_t?) -> [String] {
        var names: [String] = []
        for index in 0..<UInt32(64) {
            var size = 512
            var kind: Int32 = 0
            let name = unsafe text(&size) { buffer, size in
                kind = unsafe gnutls_x509_crt_get_subject_alt_name(
                    certificate, index, buffer, size, nil)
                return kind
            }
            if kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE { break }
            let isText = [
                GNUTLS_SAN_DNSNAME.rawValue, GNUTLS_SAN_RFC822NAME.rawValue,
                GNUTLS_SAN_URI.rawValue,
            ].contains(UInt32(bitPattern: kind))
            if let name, isText { names.append(name) }
        }
        var size = 512
        let common = unsafe text(&size) { buffer, size in
            unsafe gnutls_x509_crt_get_dn_by_oid(certificate, "2.5.4.3", 0, 0, buffer, size)
        }
        if let common { names.append(common) }
        return names
    }

    /// What gnutls writes into a buffer; nil where it gives an error, or the text holds what no
    /// name has.
    private static func text(
        _ size: inout Int, _ body: (UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>) -> Int32
    ) -> String? {
        var bytes = [UInt8](repeating: 0, count: size)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            // SAFETY: gnutls writes at most `size` bytes and says how many.
            unsafe body(buffer.baseAddress, &size)
        }
        guard result >= 0, size <= bytes.count else { return nil }
        let name = bytes.prefix(size)
        guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) || isSpaced(name) else {
            return nil
        }
        return String(validating: name, as: UTF8.self)
    }

    /// A CN may hold spaces, but nothing that controls.
    private static func isSpaced(_ name: ArraySlice<UInt8>) -> Bool {
        name.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }
}
