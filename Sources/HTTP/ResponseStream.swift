/// What a stream says after it was asked for its next piece.
public enum StreamStep: Sendable {
    /// Bytes were appended to the buffer.
    case more
    /// Nothing now; `wake` will be called once when there may be more.
    case wait
    /// The end, with the last chunk.
    case end
    /// Breaks off without the last chunk, so that the client sees the truncation.
    case abort
}

/// An answer that is made while it is sent. All calls come from HTTP threads, one at a time.
public protocol ResponseStream: AnyObject, Sendable {
    /// Appends what there is, as much as fits. After `.wait` the stream must call `wake` (from any
    /// thread, once) when there may be more; `wake` may be called before `next` has returned.
    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    /// The connection is gone, or the stream ended. Called exactly once; `wake` is dead after it.
    func closed()
}
