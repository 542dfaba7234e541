import JSON

/// Counters of powers of two: the one at `i` counts values from 2^i to 2^(i+1)-1, the first also
/// 0, the last everything above. Shown up to the last one that is not 0:
/// `[{"from":0,"to":1,"count":3},{"from":2,"to":3,"count":9}]`.
enum Histogram {
    static func write(_ bytes: Span<UInt8>, elementSize: Int, to json: inout JSONWriter) {
        let count = bytes.count / elementSize
        var used = count
        while used > 0 && counter(bytes, used - 1, elementSize) == 0 { used -= 1 }
        json.byte(UInt8(ascii: "["))
        for slot in 0..<used {
            json.raw(slot == 0 ? "{\"from\":" : ",{\"from\":")
            json.integer(from(slot))
            json.raw(",\"to\":")
            if let last = to(slot, of: count) { json.integer(last) } else { json.null() }
            json.raw(",\"count\":")
            json.integer(counter(bytes, slot, elementSize))
            json.byte(UInt8(ascii: "}"))
        }
        json.byte(UInt8(ascii: "]"))
    }

    private static func counter(_ bytes: Span<UInt8>, _ slot: Int, _ size: Int) -> UInt64 {
        var value: UInt64 = 0
        for byte in 0..<size {
            value |= UInt64(bytes[slot * size + byte]) << UInt64(8 * byte)
        }
        return value
    }

    /// The smallest value that the counter counts.
    static func from(_ slot: Int) -> UInt64 { slot == 0 ? 0 : 1 << UInt64(slot) }

    /// The largest; nil for the last counter, which has no bound.
    static func to(_ slot: Int, of count: Int) -> UInt64? {
        slot == count - 1 ? nil : (1 << UInt64(slot + 1)) - 1
    }

    /// The counter whose `from` this is; nil where none begins there.
    static func slot(from value: UInt64, of count: Int) -> Int? {
        if value == 0 { return 0 }
        let slot = 63 - value.leadingZeroBitCount
        return slot > 0 && slot < count && value == 1 << UInt64(slot) ? slot : nil
    }
}
