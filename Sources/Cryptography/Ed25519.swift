internal import CGnuTLS

/// A public key that Ed25519 signatures (RFC 8032) are verified with.
public struct Ed25519Key: Sendable, Hashable {
    private let raw: [UInt8]

    /// What stands before the 32 bytes in a SubjectPublicKeyInfo (RFC 8410, section 4).
    private static let prefix: [UInt8] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    /// - Parameter text: PEM as `openssl pkey -pubout` writes it, or base64 of it or of the 32
    ///   bytes alone; nil for anything else.
    public init?(_ text: String) {
        let lines = text.split { $0.isNewline || $0 == " " }.map(String.init)
        let isPEM = text.contains("-----BEGIN PUBLIC KEY-----")
        let body = isPEM ? lines.filter { $0.count >= 20 && !$0.contains("-----") } : lines
        guard let bytes = Base64Text.bytes(body.joined()) else { return nil }
        if bytes.count == 32 {
            raw = bytes
        } else if bytes.count == 44, bytes.starts(with: Self.prefix) {
            raw = Array(bytes.dropFirst(12))
        } else {
            return nil
        }
    }

    /// Whether `signature`, 64 bytes, is this key's over exactly `message`.
    public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard signature.count == 64 else { return false }
        var key: gnutls_pubkey_t?
        guard unsafe gnutls_pubkey_init(&key) == 0 else { return false }
        defer { unsafe gnutls_pubkey_deinit(key) }
        let isImported = unsafe Self.withDatum(raw) { point in
            unsafe gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, point, nil) == 0
        }
        guard isImported else { return false }
        return unsafe Self.withDatum(message) { message in
            unsafe Self.withDatum(signature) { signature in
                unsafe gnutls_pubkey_verify_data2(
                    key, GNUTLS_SIGN_EDDSA_ED25519, 0, message, signature) >= 0
            }
        }
    }

    private static func withDatum<Result>(
        _ bytes: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Result
    ) -> Result {
        var bytes = bytes
        return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: gnutls reads `size` bytes and keeps nothing of them.
            var datum = unsafe gnutls_datum_t(data: buffer.baseAddress, size: UInt32(buffer.count))
            return unsafe withUnsafePointer(to: &datum) { unsafe body($0) }
        }
    }
}
