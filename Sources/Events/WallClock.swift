internal import Linux

/// Turns the kernel's monotonic time into wall time, by an offset that is measured again and
/// again: wall time is stepped and slewed, and the monotonic clock stands still in suspend.
struct WallClock {
    /// Between two measurements.
    private static let intervalNanoseconds: UInt64 = 1_000_000_000
    /// A record may be so much ahead of the clock that it is compared with.
    private static let slackNanoseconds: UInt64 = 5_000_000_000
    private static let dayNanoseconds: UInt64 = 86_400_000_000_000

    /// Wall time minus monotonic time.
    private(set) var offset: UInt64 = 0
    /// What the boot's clock is ahead of the monotonic one: the time in suspend.
    private var suspended: UInt64 = 0
    private var measured: UInt64 = 0
    private var latest: UInt64 = 0
    private var wall: UInt64 = 0

    /// To be called once a batch. - Returns: wall time now.
    mutating func look() -> UInt64 {
        let monotonic = Clock.monotonicNanoseconds()
        wall = Clock.realtimeNanoseconds()
        if measured == 0 || monotonic &- measured > Self.intervalNanoseconds { measure() }
        latest = monotonic &+ Self.slackNanoseconds
        return wall
    }

    /// Of three measurements the one that took the shortest.
    private mutating func measure() {
        var best = UInt64.max
        for _ in 0..<3 {
            let before = Clock.monotonicNanoseconds()
            let wall = Clock.realtimeNanoseconds()
            let after = Clock.monotonicNanoseconds()
            guard after - before < best else { continue }
            best = after - before
            offset = wall &- (before + best / 2)
        }
        measured = Clock.monotonicNanoseconds()
        suspended = Clock.boottimeNanoseconds() &- measured
    }

    /// The wall time of a time in a record: of the monotonic clock, of the boot's where that is
    /// ahead, or wall time already (of the last day). `nil` for 0 and for what is none of them.
    @inline(__always)
    func wallNanoseconds(_ time: UInt64) -> UInt64? {
        if time == 0 { return nil }
        if time <= latest { return time &+ offset }
        if time <= latest &+ suspended { return time &+ offset &- suspended }
        if time &+ Self.dayNanoseconds > wall, time < wall &+ 60_000_000_000 { return time }
        return nil
    }
}
