/// Which records of a stream are taken for invalid. All rules are on unless they are switched off.
public struct ValidationRules: Sendable, Hashable {
    /// A rule about one member of the record.
    public enum MemberRule: Sendable, Hashable {
        case off
        /// The member of the usual name, where the type declares one.
        case usual
        case named(String)
    }

    /// A record has at least the bytes of its type; what is longer has trailing data.
    public var size = true
    /// `pid` is not 0.
    public var pid = MemberRule.usual
    /// A time is not 0 and not in the future: `ktime_ns`, `ts`, `timestamp`, … of 64 bits.
    public var time = MemberRule.usual
    /// The tag member has a value that is declared.
    public var tag = true

    public init() {}

    /// The 64-bit members that are taken for the kernel's time, in this order.
    static let usualTimes = [
        "ktime_ns", "ts_ns", "timestamp_ns", "time_ns", "ktime", "ts", "timestamp", "time",
    ]
}
