internal import CGnuTLS

/// A running SHA-256 (FIPS 180-4), by gnutls.
@safe
public struct SHA256: ~Copyable {
    // SAFETY: made in init, freed by `finish` or deinit, never handed out.
    private let handle: gnutls_hash_hd_t

    public init() {
        var handle: gnutls_hash_hd_t?
        let result = unsafe gnutls_hash_init(&handle, GNUTLS_DIG_SHA256)
        guard result == 0, let handle = unsafe handle else {
            preconditionFailure("gnutls has no SHA-256: \(result)")
        }
        unsafe self.handle = handle
    }

    deinit { unsafe gnutls_hash_deinit(handle, nil) }

    public mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            _ = unsafe gnutls_hash(handle, buffer.baseAddress, buffer.count)
        }
    }

    /// 64 hex digits of what was given so far; begins anew.
    public mutating func finish() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe digest.withUnsafeMutableBytes { buffer in
            unsafe gnutls_hash_output(handle, buffer.baseAddress)
        }
        let digits = Array("0123456789abcdef".utf8)
        let text = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    public static func hex(of bytes: Span<UInt8>) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }
}
