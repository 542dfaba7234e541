public import JSON

/// Why a stream's answer ended; the raw value is the `reason` of the `end` line.
public enum EndReason: String, Sendable {
    case shutdown, limit
    case slowConsumer = "slow_consumer"
    case programDeleted = "program_deleted"
    case tokenRevoked = "token_revoked"
    /// A finite answer (`follow=false`) gave everything that was retained when it was asked.
    case complete
}

public enum StreamFormat: Sendable, Hashable {
    /// A JSON object a line.
    case ndjson
    /// Server-sent events: `id` is the cursor, `event` the kind, `data` the line.
    case sse
    /// RFC 7464: a record separator before, a newline after each.
    case jsonSequence
}

public struct StreamQuery: Sendable {
    public enum Since: Sendable, Hashable {
        /// What is retained.
        case oldest
        /// What comes after the subscription.
        case now
        /// What comes after this cursor; a stream that the cursor does not name, from its first.
        case cursor(String)
    }

    public enum Records: String, Sendable {
        case all
        /// Only `event` lines: no hello, gap, heartbeat or end.
        case events
        /// Of the events, those that validation refused, in hex and with the reason.
        case invalid
    }

    /// nil: every program's.
    public var program: String?
    public var map: String?
    /// Of which programs the reader may see events; nil: of all. Asked when a stream opens.
    public var admits: (@Sendable (_ program: String) -> Bool)?
    /// Records of this type only, by `RecordType.name`.
    public var type: String?
    public var since = Since.now
    /// False: what is retained now, then `end`.
    public var follow = true
    /// Events after which the answer ends with reason `limit`.
    public var limit: Int?
    public var records = Records.all
    public var format = StreamFormat.ndjson
    public var int64 = Int64Style.number
    public var heartbeatSeconds = 15

    public init() {}

    func selects(_ key: StreamKey) -> Bool {
        (program == nil || program == key.program) && (map == nil || map == key.map)
            && (admits?(key.program) ?? true)
    }
}

public enum SubscribeError: Error, Sendable, Hashable {
    /// A clause that says what is wrong with it.
    case invalidCursor(String)
}
