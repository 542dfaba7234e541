public import Linux

/// A request with its body, whole.
public struct Request: Sendable {
    public let head: RequestHead
    public let body: Body

    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Sealed; position at the start.
        case file(MemoryFile, size: Int, sha256: String)
    }
}
