internal import CMicrohttpd
internal import Glibc
internal import Linux
internal import Synchronization

/// What libmicrohttpd says about connections, at most 5 lines in 10 seconds: every line can be
/// caused by a client.
final class MHDLog: Sendable {
    private let sink: @Sendable (String) -> Void
    private let budget = Mutex(LineBudget(limit: 5))

    init(_ sink: @escaping @Sendable (String) -> Void) { self.sink = sink }

    /// What it says when a callback of ours ends a connection: at each client that leaves its
    /// stream, and at each refusal in the middle of a body.
    private static let ours = [
        "Closing connection (application error", "Application reported internal error",
    ]

    func write(_ format: UnsafePointer<CChar>, _ arguments: CVaListPointer) {
        var line = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            // SAFETY: the buffer is ours for this closure and its size is given; the format and
            // its arguments are libmicrohttpd's.
            guard let base = buffer.baseAddress,
                unsafe vsnprintf(base, buffer.count, format, arguments) >= 0
            else { return "" }
            return unsafe String(cString: base)
        }
        if Self.ours.contains(where: { line.hasPrefix($0) }) { return }
        let now = Clock.monotonicNanoseconds()
        guard let leftOut = budget.withLock({ $0.admit(now: now) }) else { return }
        while line.last?.isNewline == true { line.removeLast() }
        if leftOut > 0 { line += " (\(leftOut) such lines were left out)" }
        sink("libmicrohttpd: " + line)
    }

    /// Writes to standard error.
    static let standardError: @Sendable (String) -> Void = { line in
        let bytes = Array((line + "\n").utf8)
        // SAFETY: a plain write(2) of an array; nothing can be done where it fails.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
