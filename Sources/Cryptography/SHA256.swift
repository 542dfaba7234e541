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

    /// The 32 bytes of a text's digest. Without memory for it nothing may go on.
    public static func digest(of text: String) -> [UInt8] {
        guard let hash = SHA256() else { preconditionFailure("gnutls has no memory for a digest") }
        let bytes = Array(text.utf8)
        hash.update(bytes.span)
        return hash.digest()
    }

    public func update(_ bytes: Span<UInt8>) {
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe gnutls_hash(state, buffer.baseAddress, buffer.count)
        }
        precondition(result == 0, "gnutls_hash: \(result)")
    }

    /// The digest of all bytes so far; the state starts anew.
    public func digest() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe digest.withUnsafeMutableBytes { buffer in
            // SAFETY: gnutls writes the 32 bytes of a SHA-256.
            unsafe gnutls_hash_output(state, buffer.baseAddress)
        }
        return digest
    }

    /// The same in lower-case hex.
    public func hexDigest() -> String { HexText.text(digest()) }

    deinit { unsafe gnutls_hash_deinit(state, nil) }
}

/// Bytes as lower-case hex.
public enum HexText {
    public static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` unless it is an even number of hex digits.
    public static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
