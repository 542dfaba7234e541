public import JSON

extension ValuePlan {
    /// Appends a map's key as JSON that `encode` turns into the same bytes again.
    ///
    /// Most keys look as `render` has them. One that would not come back the same is `"hex:…"`:
    /// bytes that are not zero in padding or behind a text's NUL, text that is not UTF-8, a union
    /// (which shows all its members and takes one), a pointer that is not null.
    /// - Parameter bytes: exactly `size` bytes.
    public func renderKey(_ bytes: Span<UInt8>, into json: inout JSONWriter) {
        if compiled.isAlwaysExact || isExact(bytes) {
            render(bytes, into: &json)
        } else {
            json.hex(bytes, prefix: "hex:")
        }
    }

    /// Whether `encode` makes these bytes of what `render` shows of them.
    public func isExact(_ bytes: Span<UInt8>) -> Bool {
        let layout = compiled.layout
        return bytes.count == size && layout.isExact(layout.root, at: 0, bytes)
    }
}

extension ValueLayout {
    /// Whether bytes of any content are shown so that they come back: then no value need be asked.
    func isAlwaysExact(_ index: Int) -> Bool {
        let node = nodes[index]
        switch node.shape {
        case .integer, .enumeration, .bytes, .raw, .address, .hardwareAddress, .bigEndian,
            .histogram:
            return true
        case .bool, .pointer, .opaque, .float, .text, .elements: return false
        case .array(let element, _): return isAlwaysExact(element)
        case .composite(let number):
            let composite = composites[number]
            return composite.gaps.isEmpty
                && composite.fields.allSatisfy { $0.choices.isEmpty && isAlwaysExact($0.node) }
        }
    }

    fileprivate func isExact(_ index: Int, at offset: Int, _ bytes: Span<UInt8>) -> Bool {
        let node = nodes[index]
        switch node.shape {
        case .integer, .enumeration, .bytes, .raw, .address, .hardwareAddress, .bigEndian,
            .histogram:
            return true
        case .bool:
            return bytes[offset] <= 1 && isZero(offset + 1..<offset + node.size, bytes)
        case .elements: return false
        case .pointer, .opaque: return isZero(offset..<offset + node.size, bytes)
        case .float: return !isNaN(node.size, at: offset, bytes)
        case .text:
            let all = bytes.extracting(offset..<offset + node.size)
            let size = textSize(all)
            let isUTF8 = (try? UTF8Span(validating: all.extracting(0..<size))) != nil  // else: no
            return isUTF8 && isZero(offset + size..<offset + node.size, bytes)
        case .array(let element, let count):
            let stride = nodes[element].size
            return (0..<count).allSatisfy { isExact(element, at: offset + $0 * stride, bytes) }
        case .composite(let number):
            let composite = composites[number]
            guard composite.fields.allSatisfy(\.choices.isEmpty) else { return false }
            for gap in composite.gaps where !isZero(bits: gap, at: offset, bytes) { return false }
            return composite.fields.allSatisfy {
                $0.bits != nil || isExact($0.node, at: offset + $0.offset, bytes)
            }
        }
    }

    private func isZero(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        for index in range where bytes[index] != 0 { return false }
        return true
    }

    private func isZero(bits range: Range<Int>, at offset: Int, _ bytes: Span<UInt8>) -> Bool {
        var bit = range.lowerBound
        while bit < range.upperBound {
            let count = min(8 - bit % 8, range.upperBound - bit)
            let mask = UInt8(truncatingIfNeeded: ((1 << count) - 1) << (bit % 8))
            if bytes[offset + bit / 8] & mask != 0 { return false }
            bit += count
        }
        return true
    }

    /// Not-a-numbers differ in bits that their text does not show.
    private func isNaN(_ size: Int, at offset: Int, _ bytes: Span<UInt8>) -> Bool {
        var bits: UInt64 = 0
        for byte in 0..<size { bits |= UInt64(bytes[offset + byte]) << UInt64(8 * byte) }
        return size == 4
            ? Float(bitPattern: UInt32(truncatingIfNeeded: bits)).isNaN
            : Double(bitPattern: bits).isNaN
    }
}
