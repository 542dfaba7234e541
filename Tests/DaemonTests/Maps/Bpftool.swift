import JSON

/// Whether what bpftool shows of a value is what the API shows, each in its own spelling.
enum Bpftool {
    /// - Returns: the place of the first difference; nil where there is none.
    static func difference(
        _ shape: CTypes.Shape, _ ours: JSONValue, _ theirs: JSONValue, at place: String = ""
    ) -> String? {
        switch shape {
        case .integer(let bits, _, let isBitfield):
            // Bitfields and what is wider than 64 bits are hexadecimal, as they lie in memory.
            guard isBitfield || bits > 64 else { break }
            let hex = theirs.string.flatMap { UInt128($0.dropFirst(2), radix: 16) }
            let mask = UInt128.max >> UInt128(128 - bits)
            let number = ours.number.flatMap { Int128($0.text) }.map {
                UInt128(truncatingIfNeeded: $0) & mask
            }
            if number ?? ours.number.flatMap({ UInt128($0.text) }) == hex { return nil }
        case .pointer:
            // In a union it can be any number.
            let address = (ours.string?.dropFirst(2)).flatMap { UInt64($0, radix: 16) }
            if let address, address == theirs.uint64 ?? 0 { return nil }
        case .bytes:
            let bytes = theirs.array?.compactMap(\.int).map {
                (0..<16).contains($0) ? "0" + String($0, radix: 16) : String($0, radix: 16)
            }
            if ours.string == bytes?.joined() { return nil }
        case .text(let count): if isText(ours.string ?? "", theirs, count) { return nil }
        case .array(let element, let count):
            guard ours.array?.count == count, theirs.array?.count == count else { break }
            for index in 0..<count {
                let found = difference(
                    element, ours.array?[index] ?? .null, theirs.array?[index] ?? .null,
                    at: "\(place)/\(index)")
                if let found { return found }
            }
            return nil
        case .structure(let members), .union(let members):
            for member in members {
                let isAnonymous = member.name.isEmpty
                guard let theirs = theirs[member.name] ?? theirs["(anon)"],
                    let ours = isAnonymous ? ours : ours[member.name]
                else { return "\(place)/\(member.name) is missing" }
                let found = difference(
                    member.shape, ours, theirs, at: "\(place)/\(member.name)")
                if let found { return found }
            }
            return nil
        case .bool, .enumeration: break
        }
        return ours == theirs ? nil : "\(place): \(ours) and \(theirs)"
    }

    /// An array of printable characters is a string; else each is a character or a number.
    private static func isText(_ ours: String, _ theirs: JSONValue, _ count: Int) -> Bool {
        if let text = theirs.string { return text == ours }
        let bytes = theirs.array?.compactMap { element -> UInt8? in
            if let number = element.int { return UInt8(truncatingIfNeeded: number) }
            guard let text = element.string else { return nil }
            return text.hasPrefix("\\x") ? UInt8(text.dropFirst(2), radix: 16) : text.utf8.first
        }
        guard let bytes, bytes.count == count else { return false }
        // In a union it can be any bytes: what is no text is replaced in ours.
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) == ours
    }
}
