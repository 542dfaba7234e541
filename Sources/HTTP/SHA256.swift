internal import CGnuTLS

/// A running SHA-256 (gnutls). One thread at a time.
@safe public struct SHA256: ~Copyable {
    private let state: gnutls_hash_hd_t

    /// `nil` where gnutls has no memory.
    public init?() {
        var handle: gnutls_hash_hd_t?
        guard unsafe gnutls_hash_init(&handle, GNUTLS_DIG_SHA256) == 0, let handle = unsafe handle
        else { return nil }
        unsafe state = handle
    }

    /// The digest of bytes that are there already, in lower-case hex; `nil` as for `init`.
    public static func hexDigest(of bytes: Span<UInt8>) -> String? {
        guard let hash = SHA256() else { return nil }
        hash.update(bytes)
        return hash.hexDigest()
    }

    /// Takes more bytes in.
    public func update(_ bytes: Span<UInt8>) {
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe gnutls_hash(state, buffer.baseAddress, buffer.count)
        }
        precondition(result == 0, "gnutls_hash: \(result)")
    }

    /// The digest of all bytes so far, in lower-case hex; the state starts anew.
    public func hexDigest() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe digest.withUnsafeMutableBytes { buffer in
            // SAFETY: gnutls writes the 32 bytes of a SHA-256.
            unsafe gnutls_hash_output(state, buffer.baseAddress)
        }
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in digest {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    deinit { unsafe gnutls_hash_deinit(state, nil) }
}
