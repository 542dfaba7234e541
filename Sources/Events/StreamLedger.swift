/// What became of every record of a stream, since the stream began, over restarts of the daemon.
///
/// `received = journaled + invalid`, and where the program counts what it loses
/// `produced = received + lostInKernel + lostInJournal`.
public struct StreamLedger: Sendable {
    /// `journaled = delivered + filtered + lost + pending`.
    public struct Reader: Sendable {
        public let id: UInt64
        /// Records that are this reader's: journaled from its place in the stream on.
        public let journaled: UInt64
        public let delivered: UInt64
        /// Left out by its query: `type`, `filter`, `sample`, `records`.
        public let filtered: UInt64
        /// Evicted before it came by.
        public let lost: UInt64
        public let pending: UInt64

        package init(
            id: UInt64, journaled: UInt64, delivered: UInt64, filtered: UInt64, lost: UInt64,
            pending: UInt64
        ) {
            self.id = id
            self.journaled = journaled
            self.delivered = delivered
            self.filtered = filtered
            self.lost = lost
            self.pending = pending
        }
    }

    public let key: StreamKey
    /// False where the program is gone and only its journal is left.
    public let isOpen: Bool
    /// `nil` where the program does not count, or what was lost is not known.
    public let produced: UInt64?
    public let received: UInt64
    /// By reason; reasons that never occurred are left out.
    public let invalid: [String: UInt64]
    public let journaled: UInt64
    /// Journaled records that are no longer retained.
    public let evicted: UInt64
    /// As told in the stream's gaps; `nil` where the program does not count, or `unknownGaps` were.
    public let lostInKernel: UInt64?
    /// Times that records may have been lost of which nobody knows how many: what lay in rings that
    /// died with a daemon, or what came while there was none.
    public let unknownGaps: UInt64
    /// Records that the program's own rate limit left out, since it was loaded; they are not among
    /// the produced. `nil` where it has none.
    public let rateLimited: UInt64?
    /// Records for which the journal found no room.
    public let lostInJournal: UInt64
    /// Every record has a number, also those lost in the kernel or the journal once the loss is
    /// told: a gap of `n` takes `n` numbers, so numbers jump by gaps, filters and invalid records.
    public let oldestSequence: UInt64
    public let nextSequence: UInt64
    /// Bytes of the segments.
    public let retainedBytes: Int
    /// `program/map` of others that write into the same ring.
    public let sharedWith: [StreamKey]
    public let readers: [Reader]
}
