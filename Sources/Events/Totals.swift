/// Why a record does not fit what its stream declares.
enum InvalidReason: UInt8, CaseIterable, Sendable {
    /// Shorter than its type.
    case size = 0
    case pid, time, tag

    /// As in the ledger and on the line.
    var name: String {
        switch self {
        case .size: "size"
        case .pid: "pid"
        case .time: "time"
        case .tag: "tag"
        }
    }
}

/// Counts of all that happened in a stream up to one place in it.
///
/// Every record and every lost record has a number of its own, so the next number follows from the
/// counts: a reader can add up events and gaps and finds nothing missing.
struct Totals: Sendable, Hashable {
    /// Valid ones.
    var records: UInt64 = 0
    /// By `InvalidReason`.
    var invalid = SIMD8<UInt64>(repeating: 0)
    var lostInKernel: UInt64 = 0
    var lostInJournal: UInt64 = 0
    /// Times that records were lost of which nobody knows how many.
    var unknownGaps: UInt64 = 0

    var invalidRecords: UInt64 { invalid.wrappedSum() }
    /// Those that are, or were, in the journal.
    var received: UInt64 { records &+ invalidRecords }

    var nextSequence: UInt64 {
        1 &+ records &+ invalidRecords &+ lostInKernel &+ lostInJournal &+ unknownGaps
    }

    /// No stream comes so far: counts beyond are damage, and could not be added to.
    var isPlausible: Bool {
        let most: UInt64 = 1 << 56
        var isInvalidPlausible = true
        for index in invalid.indices where invalid[index] > most { isInvalidPlausible = false }
        return isInvalidPlausible && records <= most && lostInKernel <= most
            && lostInJournal <= most && unknownGaps <= most
    }

    mutating func count(_ entry: EntryHeader, lost: UInt64) {
        if entry.isGap {
            if entry.flags & EntryHeader.unknownGap != 0 {
                unknownGaps &+= lost
            } else if entry.flags & EntryHeader.journalGap != 0 {
                lostInJournal &+= lost
            } else {
                lostInKernel &+= lost
            }
        } else if entry.isInvalid {
            invalid[entry.reasonIndex] &+= 1
        } else {
            records &+= 1
        }
    }
}

/// Up to where a ring was taken: what must be known to go on with it.
struct RingMark: Sendable, Hashable {
    var identity = RingIdentity.none
    /// Ring position after the last record in the journal.
    var position: UInt64 = 0
    /// What the program's counter of lost records said when it was last put into the journal.
    var lostCounter: UInt64 = 0
}
