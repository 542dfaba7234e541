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
                "\"\(name)\" is not a \(what): 1 to 127 of A-Z a-z 0-9 _ . -, the first a letter or digit.")
        }
    }

    /// A directory for the pins of one load: never used twice, and free of `.`, which bpffs refuses.
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

/// Near matches for a name that was not found, for the hint of a problem.
enum NearMatches {
    /// At most three of `names` that differ from `wanted` by few edits or contain it.
    static func of(_ wanted: String, among names: some Sequence<String>) -> [String] {
        let limit = max(1, min(3, wanted.utf8.count / 3))
        let close = names.compactMap { name -> (Int, String)? in
            let distance = edits(Array(wanted.utf8), Array(name.utf8), limit)
            if distance <= limit { return (distance, name) }
            return wanted.utf8.count > 3 && name.contains(wanted) ? (limit + 1, name) : nil
        }
        return close.sorted { $0 < $1 }.prefix(3).map(\.1)
    }

    /// Levenshtein's distance, or more than `limit`.
    private static func edits(_ one: [UInt8], _ other: [UInt8], _ limit: Int) -> Int {
        guard abs(one.count - other.count) <= limit else { return limit + 1 }
        var row = Array(0...other.count)
        for (index, byte) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let above = row[column + 1]
                row[column + 1] = min(
                    above + 1, row[column] + 1, diagonal + (byte == other[column] ? 0 : 1))
                diagonal = above
            }
        }
        return row[other.count]
    }
}
