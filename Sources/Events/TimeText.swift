internal import Linux

/// Wall time as RFC 3339 text, made anew only where it changed: the records of a batch share one.
struct TimeText {
    static let byteCount = 30
    private var second: UInt64 = .max
    private(set) var bytes = [UInt8](repeating: UInt8(ascii: "0"), count: byteCount)

    mutating func set(_ nanoseconds: UInt64) {
        let (second, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        if second != self.second {
            self.second = second
            bytes = Timestamp(nanoseconds: nanoseconds).utf8
            return
        }
        var left = UInt32(rest)
        for index in stride(from: 28, through: 20, by: -1) {
            bytes[index] = UInt8(ascii: "0") + UInt8(left % 10)
            left /= 10
        }
    }
}
