internal import CZlib

/// gzip of whole answers (zlib, level 1: the fastest).
enum Gzip {
    /// `nil` where it would not be smaller, or zlib has no memory.
    static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = unsafe z_stream()
        // 15 + 16: a window of 32 KiB, gzip header and trailer (zlib.h).
        guard
            unsafe deflateInit2_(
                &stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return nil }
        defer { unsafe _ = deflateEnd(&stream) }
        var complete = false
        let packed = unsafe [UInt8](unsafeUninitializedCapacity: bytes.count) { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                // SAFETY: zlib reads the input, which it does not change, and writes at most
                // avail_out bytes, both borrowed for this closure.
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.avail_in = UInt32(clamping: input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(clamping: output.count)
                complete = unsafe deflate(&stream, Z_FINISH) == Z_STREAM_END
                unsafe count = output.count - Int(stream.avail_out)
            }
        }
        return complete && packed.count < bytes.count ? packed : nil
    }
}

/// Unpacks a gzip upload piece by piece; several members one after the other are one body
/// (RFC 1952, 2.2). One thread at a time.
@safe final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private var isAtMemberEnd = false
    private let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 64 << 10)

    /// `nil` where zlib has no memory.
    init?() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        guard
            unsafe inflateInit2_(
                stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else {
            unsafe stream.deallocate()
            unsafe room.deallocate()
            return nil
        }
    }

    /// Unpacks all of `input`, handing out up to 64 KiB at a time.
    /// - Throws: `malformedEncoding`, and what `take` throws.
    func inflate(
        _ input: Span<UInt8>, _ take: (Span<UInt8>) throws(Refusal) -> Void
    ) throws(Refusal) {
        var offset = 0
        while offset < input.count {
            if isAtMemberEnd {
                unsafe inflateReset(stream)
                isAtMemberEnd = false
            }
            let step = step(input.extracting(offset..<input.count))
            offset += step.consumed
            if step.produced > 0 {
                // SAFETY: zlib wrote so many bytes into the room, which lives as long as self.
                try take(unsafe Span(_unsafeElements: room.extracting(0..<step.produced)))
            }
            switch step.result {
            case Z_OK where step.consumed + step.produced > 0: break
            case Z_STREAM_END: isAtMemberEnd = true
            default: throw .malformedEncoding
            }
        }
        // All input is taken, but a full room may have left output inside zlib.
        while !isAtMemberEnd {
            let step = step(input.extracting(input.count..<input.count))
            if step.produced > 0 {
                // SAFETY: zlib wrote so many bytes into the room, which lives as long as self.
                try take(unsafe Span(_unsafeElements: room.extracting(0..<step.produced)))
            }
            switch step.result {
            case Z_OK where step.produced > 0: break
            case Z_OK, Z_BUF_ERROR: return
            case Z_STREAM_END: isAtMemberEnd = true
            default: throw .malformedEncoding
            }
        }
    }

    /// Whether the last member was complete.
    var isComplete: Bool { isAtMemberEnd }

    private func step(_ input: Span<UInt8>) -> (result: Int32, consumed: Int, produced: Int) {
        unsafe input.withUnsafeBufferPointer { input in
            // SAFETY: zlib reads the input, which it does not change and which is borrowed for
            // this closure, and writes at most avail_out bytes into the room.
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(input.count)
            unsafe stream.pointee.next_out = room.baseAddress
            unsafe stream.pointee.avail_out = UInt32(room.count)
            let result = unsafe CZlib.inflate(stream, Z_NO_FLUSH)
            return unsafe (
                result, input.count - Int(stream.pointee.avail_in),
                room.count - Int(stream.pointee.avail_out)
            )
        }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
        unsafe room.deallocate()
    }
}
