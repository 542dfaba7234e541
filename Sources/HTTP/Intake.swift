internal import CMicrohttpd
internal import Glibc

/// Reads a request's line and headers out of libmicrohttpd.
struct Intake {
    private(set) var gate = Gate()
    private(set) var method = ""
    private(set) var isHTTP10 = false
    private(set) var failure: Refusal?
    private var layout: HeaderLayout?

    init() {}

    /// - Parameters: as libmicrohttpd hands them to its access handler.
    init(
        _ mhd: OpaquePointer, _ exchange: Exchange, target: UnsafePointer<CChar>,
        method: UnsafePointer<CChar>, version: UnsafePointer<CChar>
    ) {
        // SAFETY: the strings are the connection's for this call and end with a NUL.
        unsafe self.method = String(cString: method)
        if exchange.core.checksHeaderLayout {
            layout = unsafe HeaderLayout(
                method: method, methodCount: strlen(method), target: target,
                targetCount: exchange.targetCount, version: version)
        }
        unsafe withUnsafeMutablePointer(to: &self) { intake in
            // SAFETY: the iterator runs inside this call only.
            _ = unsafe MHD_get_connection_values_n(mhd, .HEADER_KIND, headerFound, intake)
        }
        do {
            try unsafe check(mhd, version: String(cString: version), method, exchange)
        } catch { failure = error }
    }

    private mutating func check(
        _ mhd: OpaquePointer, version: String, _ start: UnsafePointer<CChar>, _ exchange: Exchange
    ) throws(Refusal) {
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            throw .malformed("The version is neither HTTP/1.1 nor HTTP/1.0.")
        }
        isHTTP10 = version == "HTTP/1.0"
        // SAFETY: the head's size is the connection's.
        let size =
            unsafe apiary_mhd_connection_info(mhd, .CONNECTION_INFO_REQUEST_HEADER_SIZE)?.pointee
            .header_size ?? 0
        if layout != nil {
            unsafe layout?.finish(end: start + size)
            guard layout?.isIntact == true else {
                throw .malformed("The head holds a NUL, a folded line, a bare LF or two spaces.")
            }
        }
        guard size <= exchange.core.limits.headerBytes else {
            throw .malformed(
                "The head has \(size) bytes, the limit is \(exchange.core.limits.headerBytes).")
        }
        try gate.check(version: isHTTP10 ? .http10 : .http11)
    }

    fileprivate mutating func take(
        _ name: UnsafePointer<CChar>, _ nameCount: Int, _ value: UnsafePointer<CChar>,
        _ valueCount: Int
    ) {
        unsafe layout?.take(
            name: name, nameCount: nameCount, value: value, valueCount: valueCount)
        // SAFETY: the bytes are the connection's for this call.
        unsafe name.withMemoryRebound(to: UInt8.self, capacity: nameCount) { nameBytes in
            unsafe value.withMemoryRebound(to: UInt8.self, capacity: valueCount) { valueBytes in
                unsafe gate.take(
                    name: Span(_unsafeStart: nameBytes, count: nameCount),
                    value: Span(_unsafeStart: valueBytes, count: valueCount))
            }
        }
    }
}

// SAFETY: `context` is the Intake whose initializer runs the iteration.
private func headerFound(
    _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?,
    _ nameCount: Int, _ value: UnsafePointer<CChar>?, _ valueCount: Int
) -> MHD_Result {
    guard let context = unsafe context, let name = unsafe name else { return .NO }
    let intake = unsafe context.assumingMemoryBound(to: Intake.self)
    if let value = unsafe value {
        unsafe intake.pointee.take(name, nameCount, value, valueCount)
    }
    return .YES
}
