internal import CZlib

/// Inflates an upload piece by piece (RFC 1952).
@safe
final class GzipReader {
    enum Step {
        case fine
        case malformed
    }

    // SAFETY: zlib keeps a pointer to the stream, so it lies in memory that does not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private(set) var isAtEnd = false

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe _ = apiary_inflate_init_gzip(stream)
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Hands what `bytes` inflate to, at most 64 KiB at a time, to `take`, which says whether to go
    /// on.
    func read(_ bytes: Span<UInt8>, _ take: (Span<UInt8>) -> Bool) -> Step {
        unsafe bytes.withUnsafeBufferPointer { input in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(input.count)
            var output = [UInt8](repeating: 0, count: 64 << 10)
            while unsafe stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0 {
                if isAtEnd { return unsafe stream.pointee.avail_in == 0 ? .fine : .malformed }
                let result = unsafe output.withUnsafeMutableBufferPointer { buffer in
                    unsafe stream.pointee.next_out = buffer.baseAddress
                    unsafe stream.pointee.avail_out = UInt32(buffer.count)
                    return unsafe inflate(stream, Z_NO_FLUSH)
                }
                guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                    return .malformed
                }
                isAtEnd = result == Z_STREAM_END
                let count = output.count - Int(unsafe stream.pointee.avail_out)
                if count > 0, !take(output.span.extracting(0..<count)) { return .fine }
                if result == Z_BUF_ERROR { break }
            }
            return .fine
        }
    }
}

enum Gzip {
    /// The bytes as one gzip member, at the fastest level.
    static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = unsafe z_stream()
        guard unsafe apiary_deflate_init_gzip(&stream, 1) == Z_OK else { return nil }
        defer { unsafe _ = deflateEnd(&stream) }
        let bound = Int(unsafe deflateBound(&stream, UInt(bytes.count)))
        var isDone = false
        let text = unsafe [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            // SAFETY: both buffers outlive the one call of deflate, which is given their sizes.
            unsafe bytes.withUnsafeBufferPointer { input in
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.avail_in = UInt32(input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(output.count)
                isDone = unsafe deflate(&stream, Z_FINISH) == Z_STREAM_END
                count = isDone ? output.count - Int(unsafe stream.avail_out) : 0
            }
        }
        return isDone ? text : nil
    }
}
