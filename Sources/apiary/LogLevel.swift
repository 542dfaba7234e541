internal import Logging
internal import Synchronization

/// The least important level that is logged, for all loggers at once: SIGHUP may change it.
enum LogLevel {
    static let current = Mutex(Logger.Level.info)
}

/// Standard error, with the level of `LogLevel`.
struct LevelledLog: LogHandler {
    private var stream: StreamLogHandler

    init(_ label: String) {
        stream = StreamLogHandler.standardError(label: label)
        stream.logLevel = .trace
    }

    var logLevel: Logger.Level {
        get { LogLevel.current.withLock { $0 } }
        set { LogLevel.current.withLock { $0 = newValue } }
    }

    var metadata: Logger.Metadata {
        get { stream.metadata }
        set { stream.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { stream[metadataKey: key] }
        set { stream[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) { stream.log(event: event) }
}

extension Configuration {
    /// Settings that a running daemon takes over at SIGHUP.
    private static let reloaded: Set<String> = ["log_level"]

    /// The settings that are not as in `other` and wait for a start.
    func differences(from other: Configuration) -> [String] {
        Settings.all.map(\.key).filter {
            !Self.reloaded.contains($0) && line($0) != other.line($0)
        }
    }
}
