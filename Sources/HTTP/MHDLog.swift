internal import CMicrohttpd
internal import Glibc
internal import Linux
internal import Synchronization

/// What libmicrohttpd says about connections, at most 5 lines in 10 seconds: every line can be
/// caused by a client.
final class MHDLog: Sendable {
    private struct Window {
        var began: UInt64 = 0
        var lines = 0
        var dropped = 0
    }

    private static let windowNanoseconds: UInt64 = 10_000_000_000
    private static let linesPerWindow = 5
    private let sink: @Sendable (String) -> Void
    private let window = Mutex(Window())

    init(_ sink: @escaping @Sendable (String) -> Void) { self.sink = sink }

    /// Whether a line may be written now, and how many were not since the last one.
    private func admit() -> (isAdmitted: Bool, dropped: Int) {
        let now = Clock.monotonicNanoseconds()
        return window.withLock { window in
            if now - window.began > Self.windowNanoseconds {
                let dropped = window.dropped
                window = Window(began: now, lines: 1)
                return (true, dropped)
            }
            if window.lines < Self.linesPerWindow {
                window.lines += 1
                return (true, 0)
            }
            window.dropped += 1
            return (false, 0)
        }
    }

    func write(_ format: UnsafePointer<CChar>, _ arguments: CVaListPointer) {
        let (isAdmitted, dropped) = admit()
        guard isAdmitted else { return }
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            // SAFETY: the buffer is ours for this closure and its size is given; the format and
            // its arguments are libmicrohttpd's.
            guard let base = buffer.baseAddress,
                unsafe vsnprintf(base, buffer.count, format, arguments) >= 0
            else { return "" }
            return unsafe String(cString: base)
        }
        var line = text
        while line.last?.isNewline == true { line.removeLast() }
        if dropped > 0 { line += " (\(dropped) such lines were left out)" }
        sink("libmicrohttpd: " + line)
    }

    /// Writes to standard error.
    static let standardError: @Sendable (String) -> Void = { line in
        let bytes = Array((line + "\n").utf8)
        // SAFETY: a plain write(2) of an array; nothing can be done where it fails.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
