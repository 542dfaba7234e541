internal import JSON

/// The text around a line in each format.
extension StreamFormat {
    /// Before the first cursor of an event's line.
    var eventLead: StaticString {
        switch self {
        case .ndjson: #"{"kind":"event","cursor":""#
        case .jsonSequence: "\u{1e}{\"kind\":\"event\",\"cursor\":\""
        case .sse: "id: "
        case .csv: "event,"
        }
    }

    /// Between the two cursors of an event's line, where it has two.
    var eventMiddle: StaticString? {
        self == .sse ? "\nevent: event\ndata: {\"kind\":\"event\",\"cursor\":\"" : nil
    }

    /// Where the cursors stand in an event's line whose cursor has `own` bytes.
    func cursorOffsets(own: Int) -> [Int] {
        let first = eventLead.utf8CodeUnitCount
        guard let middle = eventMiddle else { return [first] }
        return [first, first + own + middle.utf8CodeUnitCount]
    }

    var lineEnd: StaticString {
        switch self {
        case .sse: "}\n\n"
        case .csv: "\r\n"
        case .ndjson, .jsonSequence: "}\n"
        }
    }
}

/// The constant text between an event's cursor and its type.
struct LineFrame {
    let beforeSequence: [UInt8]
    let beforeTime: [UInt8]
    private let isCSV: Bool

    init(_ format: StreamFormat) {
        isCSV = format == .csv
        beforeSequence = Array((isCSV ? "," : "\",\"seq\":").utf8)
        beforeTime = Array((isCSV ? "," : ",\"time\":\"").utf8)
    }

    func behindTime(_ key: StreamKey) -> [UInt8] {
        if isCSV {
            let comma = Array(",".utf8)
            return comma + CSVText.cell(key.program) + comma + CSVText.cell(key.map) + comma
        }
        var json = JSONWriter(capacity: 128)
        json.raw("\",\"program\":")
        json.program(key.program)
        json.raw(",\"map\":")
        json.string(key.map)
        json.raw(",")
        return json.bytes()
    }
}

extension JSONWriter {
    /// A stream's program, `null` for that of no program.
    mutating func program(_ name: String) {
        if name.isEmpty { null() } else { string(name) }
    }
}
