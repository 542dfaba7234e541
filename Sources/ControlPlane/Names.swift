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
                "\"\(name)\" is no \(what): 1 to 127 of A-Z a-z 0-9 _ . -, the first a letter "
                    + "or digit."
            )
        }
    }

    /// A directory for the pins of one load: never used twice, and free of `.`, which bpffs
    /// refuses.
    static func makeLoadID() -> String { "o" + random() }

    /// The pin of one link.
    static func makeLinkPin() -> String { "l" + random() }

    /// The file of a map's contents; never used twice.
    static func makeSnapshotName() -> String { "m" + random() }

    /// Whether a name in our bpffs directory is of the form that we make.
    static func isOurs(_ name: String) -> Bool {
        let base = base(of: name)
        let bytes = Array(base.utf8)
        guard bytes.count == 17, base == name || bytes[0] == UInt8(ascii: "l") else { return false }
        return (bytes[0] == UInt8(ascii: "o") || bytes[0] == UInt8(ascii: "l"))
            && bytes.dropFirst().allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    /// `l…` of `l…_3`, the fourth link of an attachment; else the name itself.
    static func base(of name: String) -> String {
        guard let bar = name.lastIndex(of: "_") else { return name }
        let digits = name[name.index(after: bar)...].utf8
        let isNumber =
            (1...6).contains(digits.count)
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return isNumber ? String(name[..<bar]) : name
    }

    /// A number that goes with a link's pin, never 0: a tc filter's handle.
    static func handle(of pin: String) -> UInt32 {
        max(1, UInt32(pin.dropFirst().prefix(8), radix: 16) ?? 1)
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
