internal import Cryptography

/// The text of a token, or what stands for it in a file.
public enum TokenText {
    /// The SHA-256 in hex of a token that is long enough not to be guessed, or of `sha256:…`.
    public static func hash(_ text: String) -> String? {
        if text.hasPrefix("sha256:") {
            let digest = HexText.bytes(String(text.dropFirst(7)))
            return digest?.count == 32 ? HexText.text(digest ?? []) : nil
        }
        guard text.hasPrefix(Tokens.prefix), text.utf8.count >= Tokens.prefix.utf8.count + 32 else {
            return nil
        }
        return HexText.text(SHA256.digest(of: text))
    }
}
