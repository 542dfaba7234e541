internal import Linux
internal import Synchronization

/// The journal's directory: its identity, its streams and what may be kept of them.
///
/// ```
/// journal-id     16 hex digits, made once: cursors of another journal are refused by it
/// next-stream    the number of the next stream
/// 1/meta         see StreamMeta
/// 1/00000000000000000001.segment
/// ```
final class Journal: Sendable {
    let directory: String
    let limits: JournalLimits
    let context: JournalContext
    var id: UInt64 { context.id }
    private struct Table {
        var streams: [StreamKey: EventStream] = [:]
        var nextNumber: UInt64 = 1
    }
    private let table: Mutex<Table>
    /// One stream is made at a time: its number must be written before it is used.
    private let making = Mutex(())

    init(
        _ directory: String, _ limits: JournalLimits, _ resolver: (any ValueResolver)? = nil
    ) throws(JournalError) {
        self.directory = directory
        self.limits = limits
        do {
            try FileSystem.makeDirectories(directory)
            context = JournalContext(id: try Self.identity(directory), resolver: resolver)
            var table = Table()
            for name in try FileSystem.list(directory) {
                // A number that no journal comes to was not given by one.
                guard let number = UInt64(name), String(number) == name, number < .max >> 1
                else { continue }
                table.nextNumber = max(table.nextNumber, number + 1)
                let stream = Recovery.stream(
                    directory + "/" + name, number: number, journal: context)
                if let stream { table.streams[stream.key] = stream }
            }
            let next = FileSystem.text(directory + "/next-stream").flatMap { UInt64($0) }
            table.nextNumber = max(table.nextNumber, min(next ?? 1, .max >> 1))
            self.table = Mutex(table)
        } catch {
            throw JournalError(reason: "the journal \(directory) cannot be opened", errno: error)
        }
    }

    private static func identity(_ directory: String) throws(Errno) -> UInt64 {
        let path = directory + "/journal-id"
        let text = FileSystem.text(path) ?? ""
        if text.utf8.count == 16, let id = UInt64(text, radix: 16) { return id }
        let id = UInt64.random(in: 1...UInt64.max)
        try FileSystem.replace(path, with: (hex(id) + [UInt8(ascii: "\n")]).span)
        return id
    }

    /// The 16 digits of a journal's id.
    static func hex(_ id: UInt64) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return (0..<16).map { digits[Int(id >> (60 - 4 * UInt64($0)) & 15)] }
    }

    /// Sorted by number.
    var streams: [EventStream] {
        table.withLock { $0.streams.values.sorted { $0.number < $1.number } }
    }

    var nextNumber: UInt64 { table.withLock { $0.nextNumber } }

    /// The stream of this name, made where there is none.
    func stream(_ key: StreamKey) throws(JournalError) -> EventStream {
        try making.withLock { _ throws(JournalError) in try madeStream(key) }
    }

    private func madeStream(_ key: StreamKey) throws(JournalError) -> EventStream {
        if let stream = table.withLock({ $0.streams[key] }) { return stream }
        guard !key.program.utf8.contains(where: { $0 < 32 }),
            !key.map.utf8.contains(where: { $0 < 32 })
        else { throw JournalError(reason: "a control character in the name of a stream") }
        let number = nextNumber
        let path = "\(directory)/\(number)"
        do {
            let next = Array(String(number + 1).utf8)
            try FileSystem.replace(directory + "/next-stream", with: next.span)
            try FileSystem.makeDirectory(path)
            try StreamMeta(key: key, end: Totals(), mark: RingMark()).write(path)
        } catch {
            throw JournalError(reason: "the stream's directory \(path)", errno: error)
        }
        let stream = EventStream(
            key, number: number, directory: path, journal: context, EventStream.State())
        table.withLock {
            $0.streams[key] = stream
            $0.nextNumber = number + 1
        }
        return stream
    }
}

extension Journal {
    /// Forgets a stream, whose segments are evicted, and removes its directory.
    func remove(_ stream: EventStream) {
        table.withLock { table in
            if table.streams[stream.key] === stream { table.streams[stream.key] = nil }
        }
        // What stays is found empty at the next start, under a number that is not given again.
        try? FileSystem.removeTree(stream.directory)
    }
}

// MARK: - Retention: by the pump's thread only

extension Journal {
    func bytesPerStream(_ stream: EventStream) -> Int {
        let own = stream.state.withLock { $0.retention.bytes }
        return max(own ?? limits.bytesPerStream, JournalLimits.pageBytes)
    }

    /// Segments small enough that dropping one leaves most of the stream.
    func largestSegmentBytes(_ stream: EventStream) -> Int {
        max(JournalLimits.pageBytes, min(limits.segmentBytes, bytesPerStream(stream) / 4))
    }

    /// Evicts until `size` more bytes for `stream` are within the limits.
    /// - Parameter reusable: an evicted segment of that size that nobody holds, its file in place.
    /// - Returns: false where they never are.
    func makeRoom(_ size: Int, for stream: EventStream, _ reusable: inout Segment?) -> Bool {
        let mostBytes = bytesPerStream(stream)
        guard size <= mostBytes, size <= limits.bytesInAll else { return false }
        while stream.state.withLock({ $0.retainedBytes }) + size > mostBytes {
            var old = stream.takeOldest()
            if reusable == nil, old?.size == size, isKnownUniquelyReferenced(&old) {
                reusable = old
            } else {
                // As in evictOldest.
                try? old?.unlink()
            }
        }
        while true {
            let sizes = streams.map { other in
                (other, other.state.withLock { $0.retainedBytes })
            }
            let all = sizes.reduce(0) { $0 + $1.1 }
            if all + size <= limits.bytesInAll { return true }
            let largest = sizes.max { one, other in
                one.1 + (one.0 === stream ? size : 0) < other.1 + (other.0 === stream ? size : 0)
            }
            // The newcomer may be the largest by what it asks for and yet have nothing to give.
            let victim =
                largest.map { $0.1 > 0 } == true ? largest : sizes.max { $0.1 < $1.1 }
            guard let victim, victim.1 > 0 else { return false }
            victim.0.evictOldest()
        }
    }

    /// Evicts segments whose last record is too old.
    /// - Returns: when to look again; `nil` where nothing is retained.
    func evictExpired(now: UInt64) -> UInt64? {
        var next: UInt64?
        for stream in streams {
            let seconds = stream.state.withLock { $0.retention.ageSeconds } ?? limits.ageSeconds
            let age = UInt64(max(seconds, 0)) * 1_000_000_000
            while let expiry = stream.expiry(age) {
                guard expiry <= now else {
                    next = min(next ?? .max, expiry)
                    break
                }
                stream.evictOldest()
            }
        }
        return next
    }
}

extension EventStream {
    /// When the oldest segment's last record is `age` old.
    fileprivate func expiry(_ age: UInt64) -> UInt64? {
        state.withLock { state in
            guard !state.segments.isEmpty else { return nil }
            // A segment is made when the one before it is full.
            let last =
                state.segments.count > 1
                ? state.segments[1].header.createdNanoseconds : state.lastNanoseconds
            // A time that the loss of power damaged may be any.
            let (expiry, isBeyond) = last.addingReportingOverflow(age)
            return isBeyond ? .max : expiry
        }
    }
}
