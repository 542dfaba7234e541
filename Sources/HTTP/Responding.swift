internal import CMicrohttpd
internal import Linux

/// Answers on their way into libmicrohttpd.
enum Responding {
    /// Queues the answer; the connection sends it when this thread returns to libmicrohttpd.
    static func queue(
        _ response: Response, _ exchange: Exchange, on connection: OpaquePointer, closes: Bool
    ) -> MHD_Result {
        var headers = response.headers
        guard
            let made = unsafe make(response, &headers, exchange, connection)
        else { return MHD_Result.NO }
        defer { unsafe MHD_destroy_response(made) }
        unsafe add("X-Request-Id", exchange.requestID, made)
        unsafe add("Cache-Control", "no-store", made)
        for header in headers { unsafe add(header.name, header.value, made) }
        if closes { unsafe add("Connection", "close", made) }
        exchange.phase = .answered
        return unsafe MHD_queue_response(connection, UInt32(response.status), made)
    }

    private static func add(_ name: String, _ value: String, _ response: OpaquePointer) {
        _ = unsafe MHD_add_response_header(response, name, value)
    }

    private static func make(
        _ response: Response, _ headers: inout [(name: String, value: String)],
        _ exchange: Exchange, _ connection: OpaquePointer
    ) -> OpaquePointer? {
        switch response.body {
        case .none: return unsafe buffer([])
        case .bytes(let bytes):
            if exchange.acceptsGzip, bytes.count > 1024, let small = Gzip.compress(bytes) {
                headers.append((name: "Content-Encoding", value: "gzip"))
                headers.append((name: "Vary", value: "Accept-Encoding"))
                return unsafe buffer(small)
            }
            return unsafe buffer(bytes)
        case .file(let file, let size):
            let copy: FileDescriptor
            // Without a descriptor there is no answer, and the connection is closed.
            do { copy = try file.descriptor.duplicate() } catch { return nil }
            return unsafe MHD_create_response_from_fd(size, copy.release())
        case .stream(let stream):
            let source = unsafe StreamSource(stream, connection: connection)
            exchange.stream = source
            // SAFETY: retained for libmicrohttpd, given back in `streamFreed`, which it calls once.
            let context = unsafe Unmanaged.passRetained(source).toOpaque()
            return unsafe MHD_create_response_from_callback(
                UInt64.max, 32 << 10, streamRead, context, streamFreed)
        }
    }

    private static func buffer(_ bytes: [UInt8]) -> OpaquePointer? {
        // SAFETY: libmicrohttpd copies (MHD_ResponseMemoryMode.RESPMEM_MUST_COPY) and does not
        // write.
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                MHD_ResponseMemoryMode.RESPMEM_MUST_COPY)
        }
    }
}

// SAFETY: `context` is the StreamSource retained above; libmicrohttpd calls this on the
// connection's thread, and its buffer is valid for the call.
private func streamRead(
    _ context: UnsafeMutableRawPointer?, _ position: UInt64,
    _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> Int {
    guard let context = unsafe context, let buffer = unsafe buffer else { return -2 }
    let source = unsafe Unmanaged<StreamSource>.fromOpaque(context).takeUnretainedValue()
    return unsafe buffer.withMemoryRebound(to: UInt8.self, capacity: capacity) { bytes in
        unsafe source.read(UnsafeMutableBufferPointer(start: bytes, count: capacity))
    }
}

private func streamFreed(_ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    let source = unsafe Unmanaged<StreamSource>.fromOpaque(context).takeRetainedValue()
    source.close()
}
