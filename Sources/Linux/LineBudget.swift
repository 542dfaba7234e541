/// How many lines of a log may be written in ten seconds, where clients can cause them.
public struct LineBudget: Sendable {
    private static let windowNanoseconds: UInt64 = 10_000_000_000
    private let limit: Int
    private var began: UInt64 = 0
    private var lines = 0
    private var leftOut = 0

    /// - Parameter limit: lines in ten seconds, which begin with the first.
    public init(limit: Int) { self.limit = limit }

    /// - Parameter now: of a monotonic clock, in nanoseconds; a thread that looked at the clock
    ///   earlier than another may come later.
    /// - Returns: how many lines were left out before this one; nil where it is left out as well.
    public mutating func admit(now: UInt64) -> Int? {
        if lines == 0 || now > began && now - began > Self.windowNanoseconds {
            began = now
            lines = 0
        }
        guard lines < limit else {
            leftOut += 1
            return nil
        }
        lines += 1
        defer { leftOut = 0 }
        return leftOut
    }
}
