public import Linux

/// The journal's directory or files refused.
public struct JournalError: Error, Sendable {
    /// A clause that names the path.
    public let reason: String
    public let errno: Errno?

    public init(reason: String, errno: Errno? = nil) {
        self.reason = reason
        self.errno = errno
    }
}

/// What the journal may keep. All sizes are of files as allocated, not of records.
public struct JournalLimits: Sendable {
    /// 64 MiB.
    public var bytesPerStream = 64 << 20
    /// 256 MiB. Over it the oldest segment of the largest stream goes first, so that a noisy stream
    /// cannot evict a quiet one.
    public var bytesInAll = 256 << 20
    /// One hour, counted from a segment's last record.
    public var ageSeconds = 3600
    /// Segments begin at 256 KiB and double up to this; a record that is larger gets its own.
    public var segmentBytes = 4 << 20

    /// The foremost reader must come through all that is before it in this time for that to stay in
    /// a flood, and the newest to go: no stream keeps old records for the sake of a reader that
    /// hardly reads. Five seconds.
    package var liveNanoseconds: UInt64 = 5_000_000_000
    /// Records a second from which on it is a flood: below, writing them costs nobody anything.
    package var floodPerSecond: UInt64 = 500_000

    public init() {}

    static let firstSegmentBytes = 256 << 10
    static let pageBytes = 4096
}

/// What one stream may keep, where that is not what all may.
public struct Retention: Sendable, Hashable {
    public var bytes: Int?
    public var ageSeconds: Int?

    public init(bytes: Int? = nil, ageSeconds: Int? = nil) {
        self.bytes = bytes
        self.ageSeconds = ageSeconds
    }
}
