// SAFETY: of this whole file: each append reserves the longest text of its value plus slack before
// it writes at `end`.
extension JSONWriter {
    /// Largest magnitude that a double, and so JavaScript, holds exactly with all below it.
    @inlinable package static var largestExactInteger: UInt64 { 9_007_199_254_740_991 }

    /// Text that is JSON already.
    public mutating func raw(_ text: StaticString) {
        if text.hasPointerRepresentation {
            unsafe copy(text.utf8Start, text.utf8CodeUnitCount)
        } else {
            for byte in text.description.utf8 { self.byte(byte) }
        }
    }

    /// Text that is JSON already.
    public mutating func raw(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            if let base = bytes.baseAddress { unsafe copy(base, bytes.count) }
        }
    }

    /// One byte of text that is JSON already: a comma, a newline.
    @inlinable public mutating func byte(_ byte: UInt8) {
        reserve(1)
        unsafe end.pointee = byte
        used &+= 1
    }

    private mutating func copy(_ source: UnsafePointer<UInt8>, _ size: Int) {
        reserve(size)
        unsafe end.update(from: source, count: size)
        used += size
    }

    public mutating func null() { raw("null") }

    public mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }

    /// A quoted string.
    public mutating func string(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            unsafe self.text(utf8.baseAddress, utf8.count)
        }
    }

    /// A quoted string; what is not UTF-8 in it becomes U+FFFD.
    public mutating func string(_ utf8: Span<UInt8>) {
        unsafe utf8.withUnsafeBufferPointer { utf8 in
            unsafe text(utf8.baseAddress, utf8.count)
        }
    }

    /// A quoted string of two lower-case hexadecimal digits a byte.
    public mutating func hex(_ bytes: Span<UInt8>, prefix: StaticString = "") {
        byte(UInt8(ascii: "\""))
        raw(prefix)
        reserve(2 * bytes.count + JSONText.slack)
        unsafe bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe advance(to: JSONText.appendHex(base, bytes.count, end))
        }
        byte(UInt8(ascii: "\""))
    }

    /// In pieces, so that a long text does not reserve six times its size at once.
    package mutating func text(_ source: UnsafePointer<UInt8>?, _ count: Int) {
        let piece = 4096
        byte(UInt8(ascii: "\""))
        var index = 0
        while let source = unsafe source, index < count {
            var size = min(piece, count - index)
            if index + size < count {
                // A sequence of UTF-8 is not cut: back to its lead byte.
                var back = 0
                while back < 3, unsafe source[index + size - back] & 0xC0 == 0x80 { back += 1 }
                if unsafe source[index + size - back] & 0xC0 != 0x80 { size -= back }
            }
            reserve(JSONText.escapedByteSize * size + JSONText.slack)
            let from = unsafe UnsafeRawPointer(source) + index
            unsafe advance(to: JSONText.appendEscaped(from, size, stopsAtNUL: false, end))
            index += size
        }
        byte(UInt8(ascii: "\""))
    }

    /// Exact; as a string where the style asks for it.
    @inlinable public mutating func integer(_ value: Int64) {
        reserve(22 + JSONText.slack)
        let quoted = int64 == .string && value.magnitude > Self.largestExactInteger
        if quoted { byte(UInt8(ascii: "\"")) }
        unsafe advance(to: JSONText.append(value, end))
        if quoted { byte(UInt8(ascii: "\"")) }
    }

    /// Exact; as a string where the style asks for it.
    @inlinable public mutating func integer(_ value: UInt64) {
        reserve(22 + JSONText.slack)
        let quoted = int64 == .string && value > Self.largestExactInteger
        if quoted { byte(UInt8(ascii: "\"")) }
        unsafe advance(to: JSONText.append(value, end))
        if quoted { byte(UInt8(ascii: "\"")) }
    }

    /// Exact; as a string where the style asks for it.
    public mutating func integer(_ value: Int128) {
        reserve(42 + JSONText.slack)
        let quoted = int64 == .string && value.magnitude > UInt128(Self.largestExactInteger)
        if quoted { byte(UInt8(ascii: "\"")) }
        unsafe advance(to: JSONText.append(value, end))
        if quoted { byte(UInt8(ascii: "\"")) }
    }

    /// Exact; as a string where the style asks for it.
    public mutating func integer(_ value: UInt128) {
        reserve(42 + JSONText.slack)
        let quoted = int64 == .string && value > UInt128(Self.largestExactInteger)
        if quoted { byte(UInt8(ascii: "\"")) }
        unsafe advance(to: JSONText.append(value, end))
        if quoted { byte(UInt8(ascii: "\"")) }
    }

    /// The shortest text that reads back as the same double. JSON has no number for the rest: they
    /// are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
    public mutating func double(_ value: Double) {
        if value.isFinite { text(value.description) } else { string(JSONText.nonFinite(value)) }
    }

    /// The shortest text that reads back as the same float; else as `double`.
    public mutating func float(_ value: Float) {
        if value.isFinite { text(value.description) } else { double(Double(value)) }
    }

    /// A number by its text. Integers beyond 2^53-1 follow the style.
    public mutating func number(_ number: JSONNumber) {
        let quoted = int64 == .string && number.isInexactInDouble
        if quoted { byte(UInt8(ascii: "\"")) }
        text(number.text)
        if quoted { byte(UInt8(ascii: "\"")) }
    }

    private mutating func text(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            if let base = utf8.baseAddress { unsafe copy(base, utf8.count) }
        }
    }

    /// Any value, compact.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let value): number(value)
        case .string(let value): string(value)
        case .array(let elements): array { for element in elements { $0.element(element) } }
        case .object(let object):
            self.object { for member in object { $0.member(member.name, member.value) } }
        }
    }
}

extension JSONNumber {
    /// An integer with a magnitude over 2^53-1.
    fileprivate var isInexactInDouble: Bool {
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
        guard digits.count >= 16, digits.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else {
            return false
        }
        guard digits.count == 16, let value = UInt64(text.drop { $0 == "-" }) else { return true }
        return value > JSONWriter.largestExactInteger
    }
}
