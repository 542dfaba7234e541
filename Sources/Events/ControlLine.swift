internal import JSON
internal import Linux

/// The lines beside the events: hello, gap, heartbeat, end.
struct ControlLine {
    let format: StreamFormat
    let cursor: Cursor

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

    func gap(_ lost: UInt64, _ place: GapPlace, of key: StreamKey) -> [UInt8] {
        line("gap") { json in
            json.raw(",\"lost\":")
            json.integer(lost)
            json.raw(",\"where\":")
            json.string(place.rawValue)
            json.raw(",\"program\":")
            json.string(key.program)
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

    private func line(_ kind: String, _ members: (inout JSONWriter) -> Void) -> [UInt8] {
        let cursor = cursor.text
        var json = JSONWriter(capacity: 512)
        switch format {
        case .ndjson: break
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

/// Where the records of a gap were lost.
enum GapPlace: String, Sendable {
    /// The ring was full.
    case kernel
    /// Evicted before the reader came, no room in the journal, or damaged.
    case journal
    /// Evicted while the reader was there and did not read.
    case subscriber
}
