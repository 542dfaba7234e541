internal import Problems

/// Names that clients give, and names that only the server makes.
enum Names {
    /// - Throws: `invalid_name` unless it is `[A-Za-z0-9][A-Za-z0-9_.-]{0,126}`.
    static func check(_ name: String, _ what: String) throws(Problem) {
        let bytes = Array(name.utf8)
        let isFine =
            (1...127).contains(bytes.count) && isAlphanumeric(bytes[0])
            && bytes.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
        guard isFine else {
            throw Problem(
                .invalidName,
                "\"\(name)\" is not a \(what): 1 to 127 of A-Z a-z 0-9 _ . -, the first a letter "
                    + "or digit."
            )
        }
    }

    /// A directory for the pins of one load: never used twice, and free of `.`, which bpffs
    /// refuses.
    static func makeLoadID() -> String { "o" + random() }

    /// The pin of one link.
    static func makeLinkPin() -> String { "l" + random() }

    /// Whether a name in our bpffs directory is of the form that we make.
    static func isOurs(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return bytes.count == 17 && (bytes[0] == UInt8(ascii: "o") || bytes[0] == UInt8(ascii: "l"))
            && bytes.dropFirst().allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    private static func random() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
}
