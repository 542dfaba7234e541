public import JSON

/// Why a stream's answer ended; the raw value is the `reason` of the `end` line.
public enum EndReason: String, Sendable {
    case shutdown, limit
    /// The stream has come to the query's `until`.
    case until
    /// A long poll waited and nothing came.
    case timeout
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
    /// RFC 4180, a row for each event and gap; the first row names the columns.
    case csv
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
    /// Records for which it holds only; what it leaves out is counted as filtered.
    public var filter: Filter?
    /// Members of the data, by path, that are shown; empty: all.
    public var fields: [String] = []
    public var sample: Sample?
    public var resolves: Resolve = []
    public var since = Since.now
    /// Wall time, nanoseconds: the answer ends before the first record that is not earlier.
    public var untilNanoseconds: UInt64?
    /// Of a finite answer: how long it waits for a first event.
    public var waitNanoseconds: UInt64?
    /// False: what is retained now, then `end`.
    public var follow = true
    /// Events after which the answer ends with reason `limit`.
    public var limit: Int?
    public var records = Records.all
    public var format = StreamFormat.ndjson
    public var int64 = Int64Style.number
    public var heartbeatSeconds = 15

    /// The text of `bpf_trace_printk`, and nothing else.
    public var isTracePipe = false
    /// CSV's columns behind the eight that all rows have.
    public var columns: [String] = []

    public init() {}

    func selects(_ key: StreamKey) -> Bool {
        if isTracePipe || key == .tracePipe { return isTracePipe && key == .tracePipe }
        return (program == nil || program == key.program) && (map == nil || map == key.map)
            && (admits?(key.program) ?? true)
    }
}

extension StreamQuery {
    /// Of every `of` numbers of a stream the first `count`: the same ones for all readers.
    public struct Sample: Sendable, Hashable {
        public let count: UInt64
        public let of: UInt64

        /// `nil` unless `count` is 1 to `of`.
        public init?(_ count: UInt64, of: UInt64) {
            guard count >= 1, count <= of else { return nil }
            self.count = count
            self.of = of
        }

        func takes(_ sequence: UInt64) -> Bool { (sequence &- 1) % of < count }
    }

    /// Numbers that are shown with what they stand for, in `resolved`.
    public struct Resolve: OptionSet, Sendable, Hashable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Kernel addresses in members of any type that are named `ip`, `addr`, `stack`, …; those
        /// that a type declares are always resolved.
        public static let symbols = Resolve(rawValue: 1)
        /// Members named `cgroup`, `cgroup_id`, `cgid`: the path below the cgroup2 mount.
        public static let cgroups = Resolve(rawValue: 2)
        /// Members named `uid`, `euid`, …: the name in /etc/passwd.
        public static let users = Resolve(rawValue: 4)
    }
}

public enum SubscribeError: Error, Sendable, Hashable {
    /// A clause that says what is wrong with it.
    case invalidCursor(String)
    /// The filter cannot be held against the records of any stream that is selected.
    case invalidFilter(FilterError)
    /// No selected stream's type has a member of that path: the path, a clause that says why, and
    /// where in the list of fields, in bytes from 1.
    case unknownField(String, reason: String, position: Int)
    /// The program that is asked for has no record type of that name; what it has.
    case unknownType(String, known: [String])
}
