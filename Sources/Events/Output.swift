/// Puts whole lines into a buffer that somebody else sends; what does not fit is kept.
struct Spill {
    /// The rest of a line whose beginning is sent.
    private var rest: [UInt8] = []
    private var sent = 0

    var isEmpty: Bool { sent == rest.count }

    /// Goes on with the line that was cut.
    mutating func flush(into buffer: inout OutputSpan<UInt8>) {
        guard !isEmpty else { return }
        let count = min(buffer.freeCapacity, rest.count - sent)
        buffer.append(rest.span.extracting(sent..<sent + count))
        sent += count
        if isEmpty {
            rest.removeAll(keepingCapacity: rest.capacity <= 4096)
            sent = 0
        }
    }

    /// Appends `bytes`, keeping what does not fit.
    mutating func put(_ bytes: Span<UInt8>, into buffer: inout OutputSpan<UInt8>) {
        var fits = 0
        if isEmpty {
            fits = min(buffer.freeCapacity, bytes.count)
            buffer.append(bytes.extracting(0..<fits))
        }
        guard fits < bytes.count else { return }
        unsafe bytes.extracting(fits..<bytes.count).withUnsafeBufferPointer { left in
            unsafe rest.append(contentsOf: left)
        }
    }
}

extension OutputSpan<UInt8> {
    /// Appends all of `bytes`, which the caller made sure to fit.
    @inline(__always)
    mutating func append(_ bytes: Span<UInt8>) {
        precondition(bytes.count <= freeCapacity, "\(bytes.count) bytes, room \(freeCapacity)")
        guard !bytes.isEmpty else { return }
        unsafe withUnsafeMutableBufferPointer { buffer, count in
            unsafe bytes.withUnsafeBytes { source in
                // SAFETY: the room was checked; both are lent for this call.
                unsafe UnsafeMutableRawBufferPointer(buffer)[count...].copyBytes(from: source)
            }
            count += bytes.count
        }
    }
}
