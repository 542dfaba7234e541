internal import Glibc

/// The kernel's clocks, in nanoseconds.
public enum Clock {
    /// Wall time since 1970-01-01 UTC; may jump.
    public static func realtimeNanoseconds() -> UInt64 { read(CLOCK_REALTIME) }

    /// The clock of deadlines and of `bpf_ktime_get_ns`; stands still in suspend.
    public static func monotonicNanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// What is left until a deadline of `monotonicNanoseconds`: 0 when it is over. The clock is
    /// read once, for between two looks the deadline may pass.
    public static func nanosecondsLeft(until deadline: UInt64) -> UInt64 {
        let now = monotonicNanoseconds()
        return deadline > now ? deadline - now : 0
    }

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

    /// Reads RFC 3339: `2026-01-31T12:00:00Z`, with a fraction of up to nine digits, `+02:00` for
    /// `Z`, small letters or a space for `T`. `nil` for anything else, and before 1970.
    public init?(parsing text: String) {
        var bytes = Array(text.utf8)
        // A zone's plus that was not encoded in a query.
        if bytes.count > 20, bytes[bytes.count - 6] == 0x20 { bytes[bytes.count - 6] = 0x2B }
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= bytes.count else { return nil }
            var value = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[13] == 0x3A,
            bytes[16] == 0x3A, [0x54, 0x74, 0x20].contains(bytes[10]),
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16),
            let second = number(17..<19), (1...12).contains(month), (1...31).contains(day),
            hour < 24, minute < 60, second < 61
        else { return nil }
        var (at, fraction) = (19, 0)
        if bytes[19] == 0x2E {
            let end = bytes[20...].firstIndex { $0 < 0x30 || $0 > 0x39 } ?? bytes.count
            guard end > 20, end <= 29, let digits = number(20..<end) else { return nil }
            fraction = (end..<29).reduce(digits) { value, _ in value * 10 }
            at = end
        }
        var shift = 0
        let zone = at < bytes.count ? bytes[at] : 0
        if zone == 0x2B || zone == 0x2D, bytes.count == at + 6, bytes[at + 3] == 0x3A,
            let hours = number(at + 1..<at + 3), let minutes = number(at + 4..<at + 6)
        {
            shift = (hours * 60 + minutes) * (zone == 0x2B ? 60 : -60)
        } else {
            guard zone | 0x20 == 0x7A, bytes.count == at + 1 else { return nil }
        }
        let days = Self.days(year, month, day)
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - shift
        guard seconds >= 0 else { return nil }
        nanoseconds = UInt64(seconds) * 1_000_000_000 + UInt64(fraction)
    }

    // Hinnant, as below, days_from_civil.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
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
