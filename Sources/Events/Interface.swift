public import BPF
public import BTF
public import JSON
public import Linux

/// A stream of records: one ring of one program.
public struct StreamKey: Sendable, Hashable, Comparable {
    public let program: String
    public let map: String
    public init(program: String, map: String) {
        self.program = program
        self.map = map
    }
    public static func < (one: StreamKey, other: StreamKey) -> Bool {
        (one.program, one.map) < (other.program, other.map)
    }
}

public struct JournalError: Error, Sendable {
    public let reason: String
    public let errno: Errno?
}

public struct JournalLimits: Sendable {
    public var bytesPerStream = 64 << 20
    public var bytesInAll = 256 << 20
    public var ageSeconds = 3600
    /// Segments begin small and double up to this.
    public var segmentBytes = 4 << 20
    public init() {}
}

/// What the records of a stream are.
public struct RecordType: Sendable {
    /// Name as shown in `"type"`, without `struct `.
    public let name: String
    public let plan: ValuePlan
    /// Offset and size of a member `pid` (validated to be not 0), where declared.
    public let types: BTFTypes
    public let typeID: BTFTypes.ID
    public init(name: String, plan: ValuePlan, types: BTFTypes, typeID: BTFTypes.ID) {
        self.name = name
        self.plan = plan
        self.types = types
        self.typeID = typeID
    }
}

/// Reads how many records the program itself could not put into the ring (the macros' counter).
public protocol LostCounter: Sendable {
    /// `nil` where it cannot be read.
    func lostRecords() -> UInt64?
}

public enum EndReason: String, Sendable {
    case shutdown, limit, slowConsumer = "slow_consumer", programDeleted = "program_deleted"
}

public struct StreamLedger: Sendable {
    public struct Reader: Sendable {
        public let id: UInt64
        public let delivered: UInt64
        public let filtered: UInt64
        public let lost: UInt64
        public let pending: UInt64
    }
    public let key: StreamKey
    public let isOpen: Bool
    public let produced: UInt64?
    public let received: UInt64
    public let invalid: [String: UInt64]
    public let journaled: UInt64
    public let evicted: UInt64
    public let lostInKernel: UInt64?
    public let lostInJournal: UInt64
    public let oldestSequence: UInt64
    public let nextSequence: UInt64
    public let retainedBytes: Int
    public let readers: [Reader]
}

public enum StreamFormat: Sendable, Hashable { case ndjson, sse, jsonSequence }

public struct StreamQuery: Sendable {
    public enum Since: Sendable, Hashable { case oldest, now, cursor(String) }
    public enum Records: String, Sendable { case all, events, invalid }
    /// nil: every program's.
    public var program: String?
    public var map: String?
    public var type: String?
    public var since = Since.now
    public var follow = true
    public var limit: Int?
    public var records = Records.all
    public var format = StreamFormat.ndjson
    public var int64 = Int64Style.number
    public var heartbeatSeconds = 15
    public init() {}
}

public enum SubscribeError: Error, Sendable, Hashable {
    case invalidCursor(String)
}

/// The journal of all streams, the pump that fills it and the readers that empty it.
public final class EventStreams: Sendable {
    /// Opens what an earlier daemon left in `directory`.
    public init(directory: String, limits: JournalLimits) throws(JournalError) {
        preconditionFailure("unwritten")
    }
    /// Starts or goes on with a stream: the pump takes its records from now on, from where the
    /// journal ended for this very ring (records taken but not released are not taken twice).
    public func open(
        _ key: StreamKey, ring: RingBuffer, type: RecordType?, lostCounter: (any LostCounter)?
    ) throws(JournalError) { preconditionFailure("unwritten") }
    /// Takes what is in the ring, then stops. Readers that follow only this program get `end`.
    public func close(_ key: StreamKey, reason: EndReason) { preconditionFailure("unwritten") }
    public func subscribe(_ query: StreamQuery) throws(SubscribeError) -> Subscription {
        preconditionFailure("unwritten")
    }
    public func ledger() -> [StreamLedger] { preconditionFailure("unwritten") }
    /// Every reader gets `end` with reason `shutdown`; the pump stops; positions are written.
    public func stop() { preconditionFailure("unwritten") }
}

/// One reader. `read` and `close` come from one thread at a time.
public final class Subscription: Sendable {
    public enum Step: Sendable { case more, wait, end }
    /// Appends whole or partial lines to `buffer`; see HTTP's ResponseStream for `wake`.
    public func read(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> Step
    { preconditionFailure("unwritten") }
    public func close() { preconditionFailure("unwritten") }
}
