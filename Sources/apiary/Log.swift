internal import Linux
internal import Logging
internal import Synchronization

/// Where all lines go: standard error, and no more of a level than `limit` in ten seconds, since
/// clients cause most of them. What was left out is told with the next line of the level.
final class LogOutput: Sendable {
    /// Lines of one level in ten seconds.
    static let limit = 2000

    private let format: LogFormat
    private let now: @Sendable () -> UInt64
    private let sink: @Sendable (LogLine) -> Void
    private let budgets = Mutex([Logger.Level: LineBudget]())

    /// - Parameters:
    ///   - now: a monotonic clock, in nanoseconds.
    ///   - sink: takes a line; called on any thread.
    init(
        _ format: LogFormat,
        now: @escaping @Sendable () -> UInt64 = { Clock.monotonicNanoseconds() },
        sink: @escaping @Sendable (LogLine) -> Void
    ) {
        self.format = format
        self.now = now
        self.sink = sink
    }

    /// To standard error.
    convenience init(_ format: LogFormat) {
        let error = StandardError()
        self.init(format) { line in error.write(line) }
    }

    func write(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
        let now = now()
        let leftOut = budgets.withLock { budgets in
            budgets[level, default: LineBudget(limit: Self.limit)].admit(now: now)
        }
        guard let leftOut else { return }
        var metadata = metadata
        if leftOut > 0 { metadata["lines_left_out"] = "\(leftOut)" }
        sink(LogLine(format, .now(), level, message, metadata))
    }
}

private final class StandardError: Sendable {
    private let descriptor = FileDescriptor(owning: 2)

    /// One write for a line, so that lines of threads do not mix. Nobody can be told of a log that
    /// takes nothing.
    func write(_ line: LogLine) { try? descriptor.writeAll(line.bytes.span) }
}

/// The least important level that is logged, for all loggers at once: SIGHUP may change it.
enum LogLevel {
    static let current = Mutex(Logger.Level.info)
}

/// swift-log's handler for `LogOutput`, with the level of `LogLevel`.
struct LineLogHandler: LogHandler {
    let output: LogOutput
    var metadata: Logger.Metadata = [:]

    init(_ output: LogOutput) { self.output = output }

    var logLevel: Logger.Level {
        get { LogLevel.current.withLock { $0 } }
        set { LogLevel.current.withLock { $0 = newValue } }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        output.write(event.level, event.message.description, all)
    }
}
