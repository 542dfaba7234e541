/// How integers beyond 2^53-1 are written: exactly as numbers, or as strings for JavaScript.
public enum Int64Style: Sendable, Hashable { case number, string }

extension JSONValue {
    /// The document as compact UTF-8 text, without a newline.
    public func serialized(int64: Int64Style = .number) -> [UInt8] {
        var writer = JSONWriter(capacity: 256, int64: int64)
        writer.value(self)
        return writer.bytes()
    }
}

/// Appends JSON to one reused buffer of bytes.
///
/// Two ways to write. Plain appends (`raw`, `string`, `integer`, …) put exactly what they are
/// given; commas and colons are the caller's. Structured ones (`object`, `array`, `member`,
/// `element`) put the commas themselves, by looking at the byte before, and mix with the plain
/// ones:
/// ```swift
/// json.object {
///     $0.member("seq", record.sequence)
///     $0.member("data") { plan.render(bytes, into: &$0) }
/// }
/// ```
/// One owner, one thread; the memory goes with the writer.
@safe public struct JSONWriter: ~Copyable {
    public let int64: Int64Style
    // SAFETY: `start` is owned alone by this value: allocated in init, replaced in grow, freed in
    // deinit. The first `count` of its `capacity` bytes are initialized.
    @usableFromInline var start: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    /// Bytes of text so far.
    public private(set) var count: Int {
        @inlinable get { used }
        set { used = newValue }
    }
    @usableFromInline var used = 0

    /// - Parameter capacity: bytes to begin with; it grows by itself.
    public init(capacity: Int = 4096, int64: Int64Style = .number) {
        self.int64 = int64
        self.capacity = max(capacity, 64)
        unsafe start = .allocate(capacity: self.capacity)
    }

    deinit { unsafe start.deallocate() }

    /// Forgets the text, keeps the memory.
    public mutating func removeAll() { count = 0 }

    /// Forgets what was written after the first `size` bytes, which there must be.
    public mutating func truncate(to size: Int) {
        precondition(size >= 0 && size <= count, "\(size) bytes wanted of \(count)")
        count = size
    }

    /// The text so far, copied.
    public func bytes() -> [UInt8] {
        unsafe Array(UnsafeBufferPointer(start: start, count: count))
    }

    /// Lends the text so far, without a copy.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeStart: start, count: count))
    }

    /// Copies text that somebody else made from byte `offset` on, as much as fits.
    /// - Returns: how many bytes that were.
    public static func copy(
        _ text: Span<UInt8>, from offset: Int, into output: inout OutputSpan<UInt8>
    ) -> Int {
        precondition(offset >= 0 && offset <= text.count, "byte \(offset) of \(text.count)")
        let size = min(text.count - offset, output.freeCapacity)
        guard size > 0 else { return 0 }
        unsafe text.withUnsafeBufferPointer { text in
            unsafe output.withUnsafeMutableBufferPointer { buffer, count in
                guard let base = buffer.baseAddress, let source = text.baseAddress else { return }
                // SAFETY: the room was measured, and the text has that many bytes from `offset` on.
                unsafe (base + count).update(from: source + offset, count: size)
                count += size
            }
        }
        return size
    }

    /// Copies the text from byte `offset` on to where somebody else sends it, as much as fits.
    /// - Returns: how many bytes that were.
    public borrowing func copy(from offset: Int, into output: inout OutputSpan<UInt8>) -> Int {
        precondition(offset >= 0 && offset <= used, "byte \(offset) of \(used)")
        let size = min(used - offset, output.freeCapacity)
        guard size > 0 else { return 0 }
        unsafe output.withUnsafeMutableBufferPointer { buffer, count in
            guard let base = buffer.baseAddress else { return }
            // SAFETY: the room was measured, and the text has that many bytes from `offset` on.
            unsafe (base + count).update(from: start + offset, count: size)
            count += size
        }
        return size
    }

    /// Makes room for `size` more bytes, so that appends up to there do not allocate.
    @inlinable public mutating func reserve(_ size: Int) {
        if size > capacity &- used { grow(size) }
    }

    /// Lends room for up to `size` bytes to write text into; what was written there is appended.
    public mutating func append<Failure: Error>(
        atMost size: Int, _ body: (inout OutputSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        reserve(size)
        let room = unsafe UnsafeMutableBufferPointer(start: start + used, count: size)
        var output = unsafe OutputSpan(buffer: room, initializedCount: 0)
        try body(&output)
        used += unsafe output.finalize(for: room)
    }

    @usableFromInline @inline(never) mutating func grow(_ size: Int) {
        precondition(size >= 0, "\(size) bytes of room wanted")
        let larger = max(capacity * 2, used + size)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        unsafe memory.update(from: start, count: used)
        unsafe start.deallocate()
        unsafe start = memory
        capacity = larger
    }
}

// SAFETY: for loops that write many values into one reservation: reserve the longest text plus
// JSONText.slack, write from `end` on, then `advance` to behind the last byte written.
extension JSONWriter {
    @inlinable package var end: UnsafeMutablePointer<UInt8> { unsafe start + used }

    @inlinable package mutating func advance(to end: UnsafeMutablePointer<UInt8>) {
        used = unsafe end - start
    }
}
