import Cryptography
import Testing

struct CryptographyTests {
    @Test func `SHA-256 is that of FIPS 180-4`() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(HexText.text(SHA256.digest(of: "abc")) == abc)
        #expect(SHA256.hexDigest(of: Array("abc".utf8).span) == abc)
    }

    @Test func `hex is read as it is written, and nothing else is`() {
        #expect(HexText.bytes("00ffA0") == [0, 255, 160])
        #expect(HexText.text([0, 255, 160]) == "00ffa0")
        for text in ["0", "0g", "0x", " 00", "é0"] { #expect(HexText.bytes(text) == nil) }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func `base64 is that of RFC 4648`(plain: String, encoded: String) {
        #expect(Base64Text.text(Array(plain.utf8)) == encoded)
        #expect(Base64Text.bytes(encoded) == Array(plain.utf8))
        let bare = encoded.filter { $0 != "=" }
        #expect(Base64Text.bytes(bare) == Array(plain.utf8))
        #expect(Base64Text.text(Array(plain.utf8), alphabet: .url) == bare)
    }

    @Test func `what is no base64 is refused`() {
        for text in ["Z", "Zg===", "Z g=", "Zm9v!", "=Zg="] {
            #expect(Base64Text.bytes(text) == nil, "\(text)")
        }
    }

    @Test func `secrets are of 256 bits, each another`() {
        let made = (0..<100).map { _ in Secret.make(prefix: "apy_") }
        #expect(Set(made).count == 100)
        for text in made {
            #expect(text.hasPrefix("apy_"))
            #expect(Base64Text.bytes(String(text.dropFirst(4)))?.count == 32)
        }
    }

    @Test func `digests are equal only where all bytes are`() {
        let one: [UInt8] = [1, 2, 3]
        #expect(Secret.equals(one, [1, 2, 3]))
        for other: [UInt8] in [[1, 2, 4], [0, 2, 3], [1, 2], [1, 2, 3, 0], []] {
            #expect(!Secret.equals(one, other))
        }
    }

    /// RFC 8032, 7.1, TEST 2.
    @Test func `Ed25519 is that of RFC 8032`() throws {
        let raw = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        let text =
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        let bytes = try #require(HexText.bytes(raw))
        let signature = try #require(HexText.bytes(text))
        let prefix = try #require(HexText.bytes("302a300506032b6570032100"))
        let pem =
            "-----BEGIN PUBLIC KEY-----\n\(Base64Text.text(prefix + bytes))\n"
            + "-----END PUBLIC KEY-----\n"
        for form in [Base64Text.text(bytes), Base64Text.text(prefix + bytes), pem] {
            let key = try #require(Ed25519Key(form))
            #expect(key.verifies(signature, of: [0x72]))
            #expect(!key.verifies(signature, of: [0x73]))
            #expect(!key.verifies(signature, of: []))
            #expect(!key.verifies(Array(signature.dropLast()), of: [0x72]))
            var other = signature
            other[0] ^= 1
            #expect(!key.verifies(other, of: [0x72]))
        }
        for form in ["", "AAAA", Base64Text.text(bytes + [0]), "-----BEGIN PUBLIC KEY-----"] {
            #expect(Ed25519Key(form) == nil)
        }
    }
}
