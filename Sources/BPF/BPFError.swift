public import Linux

/// A call into the kernel or libbpf that was refused.
public struct BPFError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kernel's or libbpf's name of the call, `bpf_link_create`.
    public let call: String
    /// What the kernel answered.
    public let errno: Errno
    /// What the kernel or libbpf said beside it.
    public let log: String?

    public init(_ call: String, _ errno: Errno, log: String? = nil) {
        self.call = call
        self.errno = errno
        self.log = log
    }

    /// `bpf_link_create: EINVAL (Invalid argument)`, and the log after a colon.
    public var description: String {
        guard let log else { return "\(call): \(errno)" }
        return "\(call): \(errno): \(log)"
    }
}

/// Turns libbpf's convention, a negative errno, into a thrown error.
@discardableResult
func check(_ call: StaticString, _ result: Int32) throws(BPFError) -> Int32 {
    guard result >= 0 else { throw BPFError("\(call)", Errno(rawValue: -result)) }
    return result
}

/// Turns the C library's convention, -1 and errno, into a thrown error.
@discardableResult
func checkErrno(_ call: StaticString, _ result: Int32) throws(BPFError) -> Int32 {
    guard result >= 0 else { throw BPFError("\(call)", Errno.current) }
    return result
}
