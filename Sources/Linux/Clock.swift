internal import Glibc

/// The kernel's clocks, in nanoseconds.
public enum Clock {
    /// Wall time since 1970-01-01 UTC; may jump.
    public static func realtimeNanoseconds() -> UInt64 { read(CLOCK_REALTIME) }

    /// The clock of deadlines and of `bpf_ktime_get_ns`; stands still in suspend.
    public static func monotonicNanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// Whole seconds of `monotonicNanoseconds`, up to a timer tick (10 ms) late, for a few
    /// nanoseconds: CLOCK_MONOTONIC_COARSE.
    public static func coarseMonotonicSeconds() -> UInt64 {
        read(CLOCK_MONOTONIC_COARSE) / 1_000_000_000
    }

    /// The clock of `load_time` in a program's information; runs on in suspend.
    public static func boottimeNanoseconds() -> UInt64 { read(CLOCK_BOOTTIME) }

    /// This boot's identity, `/proc/sys/kernel/random/boot_id`; kernel ids mean nothing beyond it.
    public static func bootID() throws(Errno) -> String {
        let bytes = try FileSystem.read("/proc/sys/kernel/random/boot_id", limit: 128)
        let text = bytes.prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: text, as: UTF8.self)
    }

    /// Suspends the calling thread.
    public static func sleep(nanoseconds: UInt64) {
        var rest = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        var left = timespec()
        while unsafe nanosleep(&rest, &left) != 0 && Glibc.errno == EINTR { rest = left }
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Wall time as RFC 3339 text in UTC with nanoseconds, `2026-11-24T03:04:05.000000006Z`.
public struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let nanoseconds: UInt64

    /// - Parameter nanoseconds: since 1970-01-01 UTC.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The wall time of a moment of this boot, by both clocks of now.
    /// - Parameter bootNanoseconds: of `Clock.boottimeNanoseconds`.
    public init(bootNanoseconds: UInt64) {
        let start = Clock.realtimeNanoseconds() &- Clock.boottimeNanoseconds()
        self.init(nanoseconds: start &+ bootNanoseconds)
    }

    public static func now() -> Timestamp { Timestamp(nanoseconds: Clock.realtimeNanoseconds()) }

    public static func < (one: Timestamp, other: Timestamp) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    public var description: String {
        String(decoding: utf8, as: UTF8.self)
    }

    /// The 30 bytes of the text.
    public var utf8: [UInt8] {
        let seconds = nanoseconds / 1_000_000_000
        let date = Self.civil(daysSinceEpoch: Int(seconds / 86400))
        let second = Int(seconds % 86400)
        var text: [UInt8] = []
        text.reserveCapacity(30)
        func digits(_ value: Int, _ width: Int) {
            var divisor = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
                divisor /= 10
            }
        }
        digits(date.year, 4)
        text.append(UInt8(ascii: "-"))
        digits(date.month, 2)
        text.append(UInt8(ascii: "-"))
        digits(date.day, 2)
        text.append(UInt8(ascii: "T"))
        digits(second / 3600, 2)
        text.append(UInt8(ascii: ":"))
        digits(second / 60 % 60, 2)
        text.append(UInt8(ascii: ":"))
        digits(second % 60, 2)
        text.append(UInt8(ascii: "."))
        digits(Int(nanoseconds % 1_000_000_000), 9)
        text.append(UInt8(ascii: "Z"))
        return text
    }

    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    private static func civil(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
