internal import Linux

/// The text of `bpf_trace_printk` as records.
///
/// Read from an instance of tracefs of our own, so that no line is taken away from another reader
/// (`bpftool prog tracelog` reads the one that all share).
final class TracePipe: RecordSource, @unchecked Sendable {
    private static let directories = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
    private static let event = "/events/bpf_trace/bpf_trace_printk/enable"
    /// No line of the kernel's is as long: whatever it is, it is cut there.
    private static let longestLine = 64 << 10
    /// Lines that wait to be taken; the rest stays in the kernel.
    private static let mostWaiting = 4096

    let identity: RingIdentity
    private let instance: String
    private let pipe: FileDescriptor
    // SAFETY: touched by the pump's thread only.
    private(set) var consumerPosition: UInt64
    private var waiting: [[UInt8]] = []
    private var first = 0
    private var partial: [UInt8] = []
    private var lost: UInt64 = 0
    private var toldLost: UInt64 = 0

    /// - Parameter name: of the instance, made where it is not there.
    /// - Throws: `ENOENT` without tracefs or the event; `EPERM` lockdown.
    init(instance name: String) throws(Errno) {
        guard let root = Self.root else { throw .enoent }
        instance = root + "/instances/" + name
        if !FileSystem.exists(instance) { try FileSystem.makeDirectory(instance) }
        // Setting the clock, even to what it is, throws away what a killed daemon left there.
        let clock = FileSystem.text(instance + "/trace_clock") ?? ""
        if !clock.contains("[mono]") { try Self.write("mono", to: instance + "/trace_clock") }
        try Self.write("1", to: instance + Self.event)
        pipe = try FileDescriptor.open(instance + "/trace_pipe", [.read, .nonBlocking])
        identity = RingIdentity(mapID: UInt64.max, boot: 0)
        consumerPosition = Clock.boottimeNanoseconds()
    }

    private static var root: String? {
        directories.first { FileSystem.exists($0 + "/instances") }
    }

    private static func write(_ text: String, to path: String) throws(Errno) {
        try FileDescriptor.open(path, [.write, .truncate]).writeAll(Array(text.utf8).span)
    }

    /// Takes the instance away; one that is not there, or in use, is left.
    static func remove(instance name: String) {
        guard let root else { return }
        // Busy while another process reads it.
        try? FileSystem.removeDirectory(root + "/instances/" + name)
    }

    static func exists(instance name: String) -> Bool {
        root.map { FileSystem.exists($0 + "/instances/" + name) } ?? false
    }

    /// Lines that were read and not kept die with the daemon.
    var isVolatile: Bool { true }

    func cutOff() {
        // Where it cannot be switched off, lines come until the instance is removed.
        try? Self.write("0", to: instance + Self.event)
    }

    var pollDescriptor: Int32 { pipe.raw }
    /// Text is small and slow: records may always gather.
    var dataBytes: Int { 1 << 20 }
    var lostRecords: UInt64? { lost }
    var hasMore: Bool { first < waiting.count }

    var hasFreshLosses: Bool {
        defer { toldLost = lost }
        return lost != toldLost
    }

    func take(
        from start: UInt64, limit: Int,
        _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 {
        if first == waiting.count { read() }
        var (position, left) = (start, limit)
        while left > 0, first < waiting.count {
            guard unsafe waiting[first].withUnsafeBytes({ unsafe body($0, position + 1) }) else {
                break
            }
            position += 1
            first += 1
            left -= 1
        }
        return position
    }

    func release(upTo position: UInt64) { consumerPosition = position }

    private func read() {
        waiting.removeAll(keepingCapacity: true)
        first = 0
        while waiting.count < Self.mostWaiting {
            let piece: [UInt8]
            // EAGAIN: nothing more now. Whatever else it is, the next wake-up tells again.
            do { piece = try pipe.read(atMost: 32 << 10) } catch { break }
            if piece.isEmpty { break }
            partial += piece
            var start = partial.startIndex
            while let end = lineEnd(from: start) {
                take(partial[start..<end])
                start = end < partial.endIndex && partial[end] == 10 ? end + 1 : end
            }
            partial.removeSubrange(..<start)
        }
        trimLast()
    }

    /// A read gives whole lines, but where they are longer than it.
    private func lineEnd(from start: Int) -> Int? {
        if let end = partial[start...].firstIndex(of: 10) { return end }
        return partial.endIndex - start >= Self.longestLine ? start + Self.longestLine : nil
    }

    private func take(_ line: ArraySlice<UInt8>) {
        switch TraceLine.parse(line) {
        case .record(let record):
            trimLast()
            waiting.append(record)
        case .lost(let count): lost += count
        case .more:
            // Without a line before it nobody knows who printed it.
            guard !waiting.isEmpty else { return }
            TraceLine.add(line, to: &waiting[waiting.count - 1])
        }
    }

    private func trimLast() {
        guard !waiting.isEmpty else { return }
        TraceLine.trim(&waiting[waiting.count - 1])
    }
}

extension EventStreams {
    /// Begins to take what programs print, where it is not taken yet. What was printed before is
    /// not in it.
    /// - Parameter instance: the name of the tracefs instance, the daemon's own.
    public func openTracePipe(instance: String) throws(JournalError) {
        let isOpen = journal.streams.contains { stream in
            stream.key == .tracePipe && stream.state.withLock { $0.isOpen }
        }
        if isOpen { return }
        let pipe: TracePipe
        do { pipe = try TracePipe(instance: instance) } catch {
            throw JournalError(reason: "the instance \(instance) of tracefs", errno: error)
        }
        try open(.tracePipe, source: pipe, StreamOptions(schema: TraceLine.schema()))
    }

    /// Goes on with the instance that a killed daemon left: what was printed since waits in it. One
    /// that cannot be read is removed.
    public func resumeTracePipe(instance name: String) {
        guard TracePipe.exists(instance: name) else { return }
        do { try openTracePipe(instance: name) } catch { TracePipe.remove(instance: name) }
    }

    /// Removes the instance, at the end.
    public func removeTraceInstance(_ name: String) { TracePipe.remove(instance: name) }

    /// A name for this journal's instance.
    public var traceInstance: String {
        "apiary-" + String(decoding: Journal.hex(journal.id), as: UTF8.self)
    }
}
