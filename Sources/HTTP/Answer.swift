internal import CGnuTLS
internal import CMicrohttpd
internal import Glibc
internal import Linux

/// Makes libmicrohttpd's response of ours.
enum Answer {
    private static let compressedOver = 1024

    /// Packs a body of bytes where the client takes gzip and it pays. On any thread; to be called
    /// once for a response.
    /// - Parameter limit: larger bodies are left as they are.
    static func packed(_ response: Response, acceptsGzip: Bool, upTo limit: Int) -> Response {
        guard case .bytes(let bytes) = response.body, bytes.count > compressedOver,
            response.status != 206,
            !response.headers.contains(where: { $0.name.lowercased() == "content-encoding" })
        else { return response }
        var response = response
        response.headers.append(("Vary", "Accept-Encoding"))
        if acceptsGzip, bytes.count <= limit, let packed = Gzip.compressed(bytes) {
            response.headers.append(("Content-Encoding", "gzip"))
            response.body = .bytes(packed)
        }
        return response
    }

    /// - Returns: to be queued and destroyed; `nil` where memory or descriptors are out.
    static func make(
        _ body: Response.Body, _ pump: StreamPump?, isHTTP10: Bool
    ) -> OpaquePointer? {
        switch body {
        case .none: return unsafe MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT)
        case .bytes(let bytes):
            return unsafe bytes.withUnsafeBytes { buffer in
                // SAFETY: libmicrohttpd copies the bytes before it returns and does not change
                // them.
                unsafe MHD_create_response_from_buffer(
                    buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress),
                    .RESPMEM_MUST_COPY)
            }
        case .file(let file, let size):
            guard let descriptor = duplicate(file.descriptor) else { return nil }
            // Closes the descriptor with the response.
            return unsafe MHD_create_response_from_fd(size, descriptor)
        case .stream:
            guard let pump else { return nil }
            // The block is used for HTTP/1.0 only; chunks are made in the connection's memory.
            // SAFETY: the Exchange owns the pump and outlives every call of the callback: its
            // end is announced before the response is destroyed.
            return unsafe MHD_create_response_from_callback(
                UInt64.max, isHTTP10 ? 16 << 10 : 64, contentWanted,
                Unmanaged.passUnretained(pump).toOpaque(), nil)
        }
    }

    private static func duplicate(_ descriptor: borrowing FileDescriptor) -> Int32? {
        do { return try descriptor.duplicate().release() } catch { return nil }
    }

    static func addHeaders(
        _ response: OpaquePointer, _ headers: [(name: String, value: String)], requestID: String,
        closes: Bool
    ) {
        var hasCacheControl = false
        for (name, value) in headers {
            if name.utf8.count == 13 && name.lowercased() == "cache-control" {
                hasCacheControl = true
            }
            unsafe add(response, name, value)
        }
        unsafe add(response, "X-Request-Id", requestID)
        if !hasCacheControl { unsafe add(response, "Cache-Control", "no-store") }
        if closes { unsafe add(response, "Connection", "close") }
    }

    private static func add(_ response: OpaquePointer, _ name: String, _ value: String) {
        unsafe withCText(name) { name in
            // SAFETY: libmicrohttpd copies both texts.
            unsafe withCText(value) { unsafe MHD_add_response_header(response, name, $0) }
        }
    }

    /// Lends a text with a NUL behind it, from the stack: Swift's own bridging makes an array.
    private static func withCText(_ text: String, _ body: (UnsafePointer<CChar>) -> Void) {
        var text = text
        text.withUTF8 { utf8 in
            unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: utf8.count + 1) {
                copy in
                // SAFETY: the copy has room for the text and one byte more.
                guard let start = copy.baseAddress else { return }
                if let from = utf8.baseAddress {
                    unsafe start.update(from: from, count: utf8.count)
                }
                unsafe copy[utf8.count] = 0
                unsafe start.withMemoryRebound(to: CChar.self, capacity: copy.count) {
                    unsafe body($0)
                }
            }
        }
    }

    /// The answer as bytes, for a request of which the body is cut off: there libmicrohttpd takes
    /// no response any more, and has nothing of its own to send.
    static func rendered(_ response: Response, requestID: String) -> [UInt8] {
        var body: [UInt8] = []
        if case .bytes(let bytes) = response.body { body = bytes }
        let reason = unsafe MHD_get_reason_phrase_for(UInt32(response.status)).map { reason in
            unsafe String(cString: reason)
        }
        var head = "HTTP/1.1 \(response.status) \(reason ?? "Refused")\r\nConnection: close\r\n"
        for (name, value) in response.headers
        where !(name + value).utf8.contains(where: { $0 < 0x20 }) {
            head += "\(name): \(value)\r\n"
        }
        head += "X-Request-Id: \(requestID)\r\nCache-Control: no-store\r\n"
        head += "Content-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    /// As much as the socket takes at once, which is all of a small answer.
    /// - Parameter session: of a connection with TLS.
    static func send(
        _ bytes: [UInt8], to descriptor: Int32, _ session: gnutls_session_t? = nil
    ) {
        if let session = unsafe session {
            _ = unsafe bytes.withUnsafeBytes { buffer in
                // SAFETY: the array is borrowed for this call; the thread is the connection's.
                unsafe gnutls_record_send(session, buffer.baseAddress, buffer.count)
            }
            return
        }
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        _ = unsafe bytes.withUnsafeBytes { buffer in
            // SAFETY: the array is borrowed for this call.
            unsafe Glibc.send(descriptor, buffer.baseAddress, buffer.count, flags)
        }
    }
}

// SAFETY: `context` is the StreamPump of the connection's Exchange, which lives until the request's
// end is announced; the buffer is libmicrohttpd's for this call.
private func contentWanted(
    _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Int {
    guard let context = unsafe context, let buffer = unsafe buffer else { return -2 }
    let pump = unsafe Unmanaged<StreamPump>.fromOpaque(context).takeUnretainedValue()
    return unsafe buffer.withMemoryRebound(to: UInt8.self, capacity: capacity) { bytes in
        unsafe pump.fill(UnsafeMutableBufferPointer(start: bytes, count: capacity))
    }
}
