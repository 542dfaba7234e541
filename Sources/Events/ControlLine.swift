internal import JSON
internal import Linux

/// The lines beside the events: hello, gap, heartbeat, end.
struct ControlLine {
    let format: StreamFormat
    let cursor: Cursor
    /// Of CSV, behind those that all rows have.
    var columns = 0

    func hello(oldest: Cursor, heartbeatSeconds: Int) -> [UInt8] {
        line("hello") { json in
            json.raw(",\"oldest\":\"")
            json.raw(oldest.text.span)
            json.raw("\",\"heartbeat_s\":")
            json.integer(Int64(heartbeatSeconds))
        }
    }

    func heartbeat() -> [UInt8] {
        line("heartbeat") { json in
            json.raw(",\"time\":\"")
            json.raw(Timestamp.now().utf8.span)
            json.raw("\"")
        }
    }

    /// - Parameter lost: nil where nobody knows.
    func gap(_ lost: UInt64?, _ place: GapPlace, of key: StreamKey) -> [UInt8] {
        if format == .csv { return gapRow(lost, place, key) }
        return line("gap") { json in
            json.raw(",\"lost\":")
            if let lost { json.integer(lost) } else { json.null() }
            json.raw(",\"where\":")
            json.string(place.rawValue)
            json.raw(",\"program\":")
            json.program(key.program)
            json.raw(",\"map\":")
            json.string(key.map)
        }
    }

    func end(_ reason: EndReason) -> [UInt8] {
        line("end") { json in
            json.raw(",\"reason\":")
            json.string(reason.rawValue)
        }
    }

    private func gapRow(_ lost: UInt64?, _ place: GapPlace, _ key: StreamKey) -> [UInt8] {
        let cells: [[UInt8]] = [
            Array("gap".utf8), cursor.text, [], [], CSVText.cell(key.program),
            CSVText.cell(key.map), [], lost.map { Array(String($0).utf8) } ?? [],
            Array(place.rawValue.utf8),
        ]
        return Array(cells.joined(separator: ",".utf8))
            + [UInt8](repeating: UInt8(ascii: ","), count: columns) + [13, 10]
    }

    private func line(_ kind: String, _ members: (inout JSONWriter) -> Void) -> [UInt8] {
        let cursor = cursor.text
        var json = JSONWriter(capacity: 512)
        switch format {
        case .ndjson: break
        // Tables have rows for events and gaps only.
        case .csv: return []
        case .jsonSequence: json.raw("\u{1e}")
        case .sse:
            json.raw("id: ")
            json.raw(cursor.span)
            json.raw("\nevent: ")
            json.raw(Array(kind.utf8).span)
            json.raw("\ndata: ")
        }
        json.raw("{\"kind\":")
        json.string(kind)
        json.raw(",\"cursor\":\"")
        json.raw(cursor.span)
        json.raw("\"")
        members(&json)
        json.raw(format.lineEnd)
        return json.bytes()
    }
}

/// A gap that the journal tells of.
struct ToldGap {
    let place: GapPlace
    /// Numbers that it takes.
    let numbers: UInt64
    /// nil where nobody knows.
    let lost: UInt64?

    init(_ entry: EntryHeader, lost: UInt64) {
        place = entry.flags & EntryHeader.journalGap != 0 ? .journal : .kernel
        numbers = lost
        self.lost = entry.flags & EntryHeader.unknownGap != 0 ? nil : lost
    }
}

/// Where the records of a gap were lost.
enum GapPlace: String, Sendable {
    /// The ring was full, or died with the daemon.
    case kernel
    /// Evicted before the reader came, no room in the journal, or damaged.
    case journal
    /// Evicted while the reader was there and did not read.
    case subscriber
}
