internal import CMicrohttpd
internal import Linux
internal import Synchronization

/// Ties a `ResponseStream` to libmicrohttpd's pull: asks for the next piece, suspends the
/// connection while there is none, resumes it once when the stream wakes.
@safe
final class StreamSource: @unchecked Sendable {
    private enum Phase {
        /// Nobody waits. `isWoken`: a wake-up came before the wait did.
        case running(isWoken: Bool)
        case suspended
        case closed
    }

    // SAFETY: the connection is only touched in phase `suspended`, under the lock; libmicrohttpd
    // keeps a suspended connection alive until it is resumed, and `close` comes before it is freed.
    private let connection: OpaquePointer
    private let stream: any ResponseStream
    private let phase = Mutex(Phase.running(isWoken: false))
    private let isStopping = Atomic(false)

    init(_ stream: any ResponseStream, connection: OpaquePointer) {
        unsafe self.connection = connection
        self.stream = stream
    }

    /// libmicrohttpd's content reader: bytes put, 0 after a suspension, or an end code.
    func read(_ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        while true {
            if isStopping.load(ordering: .relaxed) { return Self.breakOff }
            phase.withLock { phase in
                if case .running = phase { phase = .running(isWoken: false) }
            }
            // SAFETY: the buffer is libmicrohttpd's for this call; the span does not outlive it.
            var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            let step = stream.next(into: &output) { [self] in wake() }
            let count = unsafe output.finalize(for: buffer)
            switch step {
            case .more:
                if count > 0 { return count }
            case .wait:
                if count > 0 { return count }
                if suspend() { return 0 }
            case .end:
                if count > 0 { return count }
                return Self.endOfStream
            case .abort: return Self.breakOff
            }
        }
    }

    /// False where the wake-up was there already.
    private func suspend() -> Bool {
        phase.withLock { phase in
            guard case .running(isWoken: false) = phase else { return false }
            unsafe MHD_suspend_connection(connection)
            phase = .suspended
            return true
        }
    }

    private func wake() {
        phase.withLock { phase in
            switch phase {
            case .running: phase = .running(isWoken: true)
            case .suspended:
                phase = .running(isWoken: true)
                unsafe MHD_resume_connection(connection)
            case .closed: break
            }
        }
    }

    /// Breaks the stream off at its next piece, and wakes it for that.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        wake()
    }

    /// The connection is going away.
    func close() {
        let wasOpen = phase.withLock { phase in
            if case .closed = phase { return false }
            phase = .closed
            return true
        }
        if wasOpen { stream.closed() }
    }

    // MHD_CONTENT_READER_END_OF_STREAM and _END_WITH_ERROR are casts in C macros, not imported.
    private static let endOfStream = -1
    private static let breakOff = -2
}
