/// Names that a person may have meant by one that does not exist.
public enum NearMatches {
    /// `; did you mean "target_pid" or "target_uid"?`, or nothing.
    public static func clause(for name: String, among names: some Sequence<String>) -> String {
        let near = find(name, among: names)
        guard !near.isEmpty else { return "" }
        return "; near it: " + near.map { "\"\($0)\"" }.joined(separator: ", ")
    }

    /// At most three names with few enough letters changed, nearest first.
    public static func find(_ name: String, among names: some Sequence<String>) -> [String] {
        let wanted = Array(name.utf8.prefix(128))
        let limit = max(2, wanted.count / 3)
        var found: [(distance: Int, name: String)] = []
        for candidate in names {
            let bytes = Array(candidate.utf8.prefix(129))
            guard abs(bytes.count - wanted.count) <= limit else { continue }
            let distance = distance(wanted, bytes)
            if distance <= limit { found.append((distance, candidate)) }
        }
        found.sort { ($0.distance, $0.name) < ($1.distance, $1.name) }
        var unique: [String] = []
        for entry in found where !unique.contains(entry.name) {
            unique.append(entry.name)
            if unique.count == 3 { break }
        }
        return unique
    }

    /// Letters to insert, remove or replace (Levenshtein's distance).
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var row = Array(0...other.count)
        for (index, letter) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (letter == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.count]
    }
}
