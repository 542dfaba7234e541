internal import JSON

/// RFC 4180: cells, quoted where they must be; rows end in CRLF.
enum CSVText {
    /// The columns before the members.
    static let columns = [
        "kind", "cursor", "seq", "time", "program", "map", "type", "lost", "where",
    ]

    /// A member that is called as one of them is `data.kind`: who reads rows by name gets both.
    static func header(_ members: [String]) -> [UInt8] {
        let names = columns + members.map { columns.contains($0) ? "data." + $0 : $0 }
        return Array(names.map { cell($0) }.joined(separator: ",".utf8)) + [13, 10]
    }

    static func cell(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.contains(where: needsQuotes) else { return bytes }
        return [0x22] + bytes.flatMap { $0 == 0x22 ? [0x22, 0x22] : [$0] } + [0x22]
    }

    private static func needsQuotes(_ byte: UInt8) -> Bool {
        byte == 0x22 || byte == 0x2C || byte == 10 || byte == 13
    }

    /// Appends a JSON value as a cell: texts as they are, `null` as nothing, arrays and objects as
    /// JSON.
    static func append(_ value: Span<UInt8>, to row: inout JSONWriter) {
        guard value.count >= 2, value[0] == 0x22 else {
            if value.count == 4, value[0] == UInt8(ascii: "n") { return }
            return quote(value, 0..<value.count, isText: false, &row)
        }
        quote(value, 1..<value.count - 1, isText: true, &row)
    }

    private static func quote(
        _ value: Span<UInt8>, _ range: Range<Int>, isText: Bool, _ row: inout JSONWriter
    ) {
        let isQuoted = range.contains { needsQuotes(value[$0]) || isText && value[$0] == 0x5C }
        guard isQuoted else {
            row.raw(value.extracting(range))
            return
        }
        row.byte(0x22)
        var index = range.lowerBound
        while index < range.upperBound {
            var byte = value[index]
            index += 1
            if isText, byte == 0x5C, index < range.upperBound {
                byte = value[index]
                index += 1
                switch byte {
                case UInt8(ascii: "n"): byte = 10
                case UInt8(ascii: "t"): byte = 9
                case UInt8(ascii: "r"): byte = 13
                case UInt8(ascii: "b"): byte = 8
                case UInt8(ascii: "f"): byte = 12
                case UInt8(ascii: "u"):
                    // Only control characters are written so.
                    byte = hex(value, index..<min(index + 4, range.upperBound))
                    index = min(index + 4, range.upperBound)
                default: break
                }
            }
            if byte == 0x22 { row.byte(0x22) }
            row.byte(byte)
        }
        row.byte(0x22)
    }

    private static func hex(_ value: Span<UInt8>, _ range: Range<Int>) -> UInt8 {
        var number: UInt32 = 0
        for index in range {
            let byte = value[index]
            number = number << 4 | UInt32(byte < 0x3A ? byte & 15 : (byte & 7) + 9)
        }
        return UInt8(truncatingIfNeeded: number)
    }
}
