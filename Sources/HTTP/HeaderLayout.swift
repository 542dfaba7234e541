/// Finds what libmicrohttpd 0.9.75 hides of a request: it ends its strings at a NUL, joins folded
/// lines and takes a bare LF for a line's end. All of them leave a gap between where one header
/// ends and the next one begins in the buffer, which holds the head as it came but for NULs in
/// the place of separators (get_next_header_line and process_header_line in
/// src/microhttpd/connection.c).
///
/// 1.0 refuses all of that itself (MHD_OPTION_STRICT_FOR_CLIENT) and moves its strings.
@safe struct HeaderLayout {
    private var next: UnsafePointer<CChar>?
    private(set) var isIntact = true

    /// - Parameters:
    ///   - method, target, version: as libmicrohttpd gives them, in its buffer.
    ///   - targetCount: the target's length with the query.
    init(
        method: UnsafePointer<CChar>, methodCount: Int, target: UnsafePointer<CChar>,
        targetCount: Int, version: UnsafePointer<CChar>
    ) {
        isIntact =
            unsafe method + methodCount + 1 == target && target + targetCount + 1 == version
        unsafe next = version + 8 + 2  // HTTP/1.1, CR LF
    }

    mutating func take(
        name: UnsafePointer<CChar>, nameCount: Int, value: UnsafePointer<CChar>, valueCount: Int
    ) {
        if unsafe next != name || value < name + nameCount + 1 { isIntact = false }
        unsafe next = value + valueCount + 2
    }

    /// - Parameter end: one past the empty line that ends the head.
    mutating func finish(end: UnsafePointer<CChar>) {
        if let next = unsafe next, unsafe next + 2 != end { isIntact = false }
    }
}
