/// Steps over JSON text that is spelt plainly: strings without escapes and beyond ASCII, integers
/// of at most 19 digits. What is not plain, or not JSON, is for the reader that knows it all.
public enum PlainJSON {
    @inlinable public static func skipSpace(_ json: Span<UInt8>, _ position: inout Int) {
        while position < json.count {
            switch json[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// Steps over exactly this text; false, and no step, where another stands there.
    @inlinable public static func skip(
        _ text: StaticString, _ json: Span<UInt8>, _ position: inout Int
    ) -> Bool {
        let count = text.utf8CodeUnitCount
        guard count <= json.count - position else { return false }
        for index in 0..<count {
            guard unsafe json[position + index] == text.utf8Start[index] else { return false }
        }
        position += count
        return true
    }

    /// The text between the quotes of a string; nil for one with escapes or beyond ASCII.
    @inlinable public static func string(_ json: Span<UInt8>, _ position: inout Int)
        -> Range<Int>?
    {
        guard position < json.count, json[position] == 0x22 else { return nil }
        let start = position + 1
        var index = start
        while index < json.count {
            let byte = json[index]
            if byte == 0x22 {
                position = index + 1
                return start..<index
            }
            guard byte >= 0x20, byte < 0x80, byte != 0x5C else { return nil }
            index += 1
        }
        return nil
    }

    /// An integer without fraction, exponent and leading zeros.
    @inlinable public static func integer(_ json: Span<UInt8>, _ position: inout Int)
        -> (magnitude: UInt64, isNegative: Bool)?
    {
        var index = position
        var isNegative = false
        if index < json.count, json[index] == 0x2D {
            isNegative = true
            index += 1
        }
        let start = index
        var magnitude: UInt64 = 0
        while index < json.count, json[index] &- 0x30 < 10 {
            guard index - start < 19 else { return nil }
            magnitude = magnitude &* 10 &+ UInt64(json[index] &- 0x30)
            index += 1
        }
        guard index > start, index == start + 1 || json[start] != 0x30 else { return nil }
        if index < json.count, json[index] == 0x2E || json[index] | 0x20 == 0x65 { return nil }
        position = index
        return (magnitude, isNegative)
    }
}
