/// Finds the parts of a large document without making values of them, so that each can be read,
/// used and forgotten. What is inside a part is only skipped: reading it finds what is wrong there.
public enum JSONSlices {
    /// The members of the object that the bytes are: their names, and where their values stand.
    public static func members(of bytes: Span<UInt8>) throws(JSONError)
        -> [(name: String, value: Range<Int>)]
    {
        var scan = Scan(position: 0)
        scan.skipSpace(bytes)
        guard scan.next(UInt8(ascii: "{"), bytes) else {
            throw scan.error("an object is wanted")
        }
        var members: [(name: String, value: Range<Int>)] = []
        scan.skipSpace(bytes)
        if !scan.next(UInt8(ascii: "}"), bytes) {
            while true {
                let name = try scan.slice(bytes)
                guard case .string(let text) = try parse(bytes, name) else {
                    throw scan.error("a member's name in quotes is wanted", at: name.lowerBound)
                }
                guard !members.contains(where: { $0.name == text }) else {
                    throw scan.error("a second member named \"\(text)\"", at: name.lowerBound)
                }
                scan.skipSpace(bytes)
                guard scan.next(UInt8(ascii: ":"), bytes) else {
                    throw scan.error("a colon is wanted after the name")
                }
                members.append((text, try scan.slice(bytes)))
                guard members.count <= 1000 else { throw scan.error("more than 1000 members") }
                scan.skipSpace(bytes)
                if scan.next(UInt8(ascii: "}"), bytes) { break }
                guard scan.next(UInt8(ascii: ","), bytes) else {
                    throw scan.error("a comma or } is wanted after a member")
                }
            }
        }
        scan.skipSpace(bytes)
        guard scan.position == bytes.count else { throw scan.error("more text after the value") }
        return members
    }

    /// Where the elements of the array at `range` stand.
    public static func elements(of bytes: Span<UInt8>, in range: Range<Int>, limit: Int)
        throws(JSONError) -> [Range<Int>]
    {
        let array = bytes.extracting(range)
        var scan = Scan(position: 0, base: range.lowerBound)
        guard scan.next(UInt8(ascii: "["), array) else { throw scan.error("an array is wanted") }
        var elements: [Range<Int>] = []
        scan.skipSpace(array)
        if scan.next(UInt8(ascii: "]"), array) { return [] }
        while true {
            let element = try scan.slice(array)
            guard elements.count < limit else { throw scan.error("more than \(limit) elements") }
            elements.append(
                element.lowerBound + range.lowerBound..<element.upperBound + range.lowerBound)
            scan.skipSpace(array)
            if scan.next(UInt8(ascii: "]"), array) { return elements }
            guard scan.next(UInt8(ascii: ","), array) else {
                throw scan.error("a comma or ] is wanted after an element")
            }
        }
    }

    /// Steps over space and one value, by its brackets and quotes.
    public static func value(of bytes: Span<UInt8>, _ position: inout Int) throws(JSONError)
        -> Range<Int>
    {
        var scan = Scan(position: position)
        defer { position = scan.position }
        return try scan.slice(bytes)
    }

    /// Reads one part; offsets in errors are those of the whole document.
    public static func parse(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(JSONError)
        -> JSONValue
    {
        do {
            return try JSONValue.parse(bytes.extracting(range))
        } catch {
            throw JSONError(
                reason: error.reason, offset: error.offset + range.lowerBound,
                pointer: error.pointer)
        }
    }

    private struct Scan {
        var position: Int
        var base = 0

        func error(_ reason: String, at offset: Int? = nil) -> JSONError {
            JSONError(reason: reason, offset: base + (offset ?? position), pointer: .root)
        }

        mutating func next(_ wanted: UInt8, _ bytes: Span<UInt8>) -> Bool {
            guard position < bytes.count, bytes[position] == wanted else { return false }
            position += 1
            return true
        }

        mutating func skipSpace(_ bytes: Span<UInt8>) {
            while position < bytes.count {
                switch bytes[position] {
                case 0x20, 0x0A, 0x0D, 0x09: position += 1
                default: return
                }
            }
        }

        /// Skips space and one value, by its brackets and quotes.
        mutating func slice(_ bytes: Span<UInt8>) throws(JSONError) -> Range<Int> {
            skipSpace(bytes)
            let start = position
            var depth = 0
            while position < bytes.count {
                switch bytes[position] {
                case UInt8(ascii: "\""):
                    try skipString(bytes)
                    if depth == 0 { return start..<position }
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return try plain(start) }
                    depth -= 1
                    if depth == 0 {
                        position += 1
                        return start..<position
                    }
                case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x0A, 0x0D, 0x09:
                    if depth == 0 { return try plain(start) }
                default: break
                }
                position += 1
            }
            guard depth == 0 else { throw error("the text ends inside a value", at: start) }
            return try plain(start)
        }

        private func plain(_ start: Int) throws(JSONError) -> Range<Int> {
            guard position > start else { throw error("a value is wanted") }
            return start..<position
        }

        private mutating func skipString(_ bytes: Span<UInt8>) throws(JSONError) {
            let start = position
            position += 1
            while position < bytes.count {
                let byte = bytes[position]
                position += byte == UInt8(ascii: "\\") ? 2 : 1
                if byte == UInt8(ascii: "\"") { return }
            }
            position = bytes.count
            throw error("the text ends inside a string", at: start)
        }
    }
}
