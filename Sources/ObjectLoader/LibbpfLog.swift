internal import CLibbpf
internal import Glibc
internal import Synchronization

/// What libbpf prints: warnings and information, not its debug lines. The last 16 KiB are kept.
enum LibbpfLog {
    private static let capacity = 16 << 10
    private static let kept = Mutex<[UInt8]>([])

    /// Makes libbpf print into this log instead of standard error.
    static func capture() {
        _ = unsafe libbpf_set_print(printed)
    }

    /// The lines so far, oldest first.
    static var lines: [String] {
        let bytes = kept.withLock { $0 }
        return bytes.split(separator: UInt8(ascii: "\n")).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// `nil` where libbpf printed nothing.
    static var text: String? {
        let lines = self.lines
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }

    /// Forgets what was printed so far.
    static func clear() { kept.withLock { $0 = [] } }

    fileprivate static func append(_ text: [UInt8]) {
        kept.withLock { kept in
            kept.append(contentsOf: text)
            guard kept.count > capacity else { return }
            kept.removeFirst(kept.count - capacity)
            // A line that lost its start is not kept.
            if let end = kept.firstIndex(of: UInt8(ascii: "\n")) { kept.removeFirst(end + 1) }
        }
    }
}

// SAFETY: libbpf calls this with a format and the arguments that belong to it, and keeps both valid
// until it returns; vsnprintf writes at most the capacity that it is given.
private func printed(
    _ level: libbpf_print_level, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?
) -> Int32 {
    guard level != LIBBPF_DEBUG, let format = unsafe format, let arguments = unsafe arguments else {
        return 0
    }
    let capacity = 16 << 10
    let text = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        guard let base = buffer.baseAddress else { return }
        let length = unsafe base.withMemoryRebound(to: CChar.self, capacity: capacity) {
            unsafe vsnprintf($0, capacity, format, arguments)
        }
        count = min(max(0, Int(length)), capacity - 1)
    }
    LibbpfLog.append(text)
    return 0
}
