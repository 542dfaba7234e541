import JSON

/// IP and MAC addresses in network order as text, and back.
enum AddressText {
    // MARK: Writing

    static func write4(_ bytes: Span<UInt8>, to json: inout JSONWriter) {
        json.append(atMost: 17) { output in
            output.append(quote)
            dotted(bytes, &output)
            output.append(quote)
        }
    }

    private static func dotted(_ bytes: Span<UInt8>, _ output: inout OutputSpan<UInt8>) {
        for index in 0..<4 {
            if index > 0 { output.append(UInt8(ascii: ".")) }
            let byte = bytes[index]
            if byte >= 100 { output.append(UInt8(ascii: "0") + byte / 100) }
            if byte >= 10 { output.append(UInt8(ascii: "0") + byte / 10 % 10) }
            output.append(UInt8(ascii: "0") + byte % 10)
        }
    }

    static func writeHardware(_ bytes: Span<UInt8>, to json: inout JSONWriter) {
        json.append(atMost: 19) { output in
            output.append(quote)
            for index in 0..<6 {
                if index > 0 { output.append(UInt8(ascii: ":")) }
                output.append(digit(bytes[index] >> 4))
                output.append(digit(bytes[index] & 15))
            }
            output.append(quote)
        }
    }

    /// As RFC 5952 wants it: lower case, the longest run of zeros as `::`, the last four bytes of
    /// an IPv4-mapped address dotted.
    static func write6(_ bytes: Span<UInt8>, to json: inout JSONWriter) {
        let zeros = longestZeros(bytes)
        let isMapped = zeros == 0..<5 && group(bytes, 5) == 0xFFFF
        json.append(atMost: 47) { output in
            output.append(quote)
            var index = 0
            while index < 8 {
                if index == zeros.lowerBound && !zeros.isEmpty {
                    output.append(UInt8(ascii: ":"))
                    output.append(UInt8(ascii: ":"))
                    index = zeros.upperBound
                    continue
                }
                if index > 0 && index != zeros.upperBound { output.append(UInt8(ascii: ":")) }
                if isMapped && index == 6 {
                    dotted(bytes.extracting(12..<16), &output)
                    break
                }
                hex(group(bytes, index), &output)
                index += 1
            }
            output.append(quote)
        }
    }

    private static func group(_ bytes: Span<UInt8>, _ index: Int) -> UInt16 {
        UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1])
    }

    /// The first of the longest runs of two or more groups of zeros; empty where there is none.
    private static func longestZeros(_ bytes: Span<UInt8>) -> Range<Int> {
        var best = 8..<8
        var index = 0
        while index < 8 {
            var end = index
            while end < 8 && group(bytes, end) == 0 { end += 1 }
            if end - index >= 2 && end - index > best.count { best = index..<end }
            index = max(end, index + 1)
        }
        return best
    }

    private static func hex(_ value: UInt16, _ output: inout OutputSpan<UInt8>) {
        var shift = value == 0 ? 0 : (15 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            output.append(digit(UInt8(value >> UInt16(shift) & 15)))
            shift -= 4
        }
    }

    private static let quote = UInt8(ascii: "\"")

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? value + UInt8(ascii: "0") : value - 10 + UInt8(ascii: "a")
    }

    // MARK: Reading

    /// `192.0.2.1`: four decimal numbers without leading zeros.
    static func read4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            let isPlain = part.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 }
            guard isPlain, part.count == 1 || part.first != "0", let byte = UInt8(part) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }

    /// Any spelling of RFC 4291, 2.2, without a zone.
    static func read6(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 45 else { return nil }
        guard let gap = text.range(of: "::") else {
            let bytes = groups(text[...])
            return bytes?.count == 16 ? bytes : nil
        }
        let (before, after) = (text[..<gap.lower], text[gap.upper...])
        guard let head = before.isEmpty ? [] : groups(before),
            let tail = after.isEmpty ? [] : groups(after), head.count + tail.count <= 14,
            !before.contains(".")
        else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    private static func groups(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let last = read4(part) else { return nil }
                bytes += last
                continue
            }
            guard (1...4).contains(part.utf8.count),
                part.utf8.allSatisfy({ JSONText.hexDigit($0) != nil }),
                let value = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(value >> 8), UInt8(value & 255)]
        }
        return bytes
    }

    /// `0a:1b:2c:3d:4e:5f`, or with hyphens.
    static func readHardware(_ text: String) -> [UInt8]? {
        let separator: Character = text.contains("-") ? "-" : ":"
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...2).contains(part.utf8.count),
                part.utf8.allSatisfy({ JSONText.hexDigit($0) != nil }),
                let byte = UInt8(part, radix: 16)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}

extension String {
    /// Where the two characters first stand.
    fileprivate func range(of pair: StaticString) -> (lower: Index, upper: Index)? {
        let wanted = Array(pair.description)
        var index = startIndex
        while index < endIndex {
            let next = self.index(after: index)
            guard next < endIndex else { return nil }
            if self[index] == wanted[0], self[next] == wanted[1] {
                return (index, self.index(after: next))
            }
            index = next
        }
        return nil
    }
}
