import JSON

// What a declaration tag has shown in a notation of its own is taken in that notation, and as what
// the type would be without the tag.
extension ValueEncoder {
    mutating func address(_ value: JSONValue, version: Int, _ node: ValueNode, at offset: Int)
        throws(ValueError)
    {
        let example = version == 4 ? "192.0.2.1" : "2001:db8::1"
        guard case .string(let text) = value else {
            throw error(
                "an IPv\(version) address for \(layout.typeName(node)) is wanted, "
                    + "\"\(example)\", not \(described(value))")
        }
        if let read = version == 4 ? AddressText.read4(text) : AddressText.read6(text) {
            return put(read, at: offset)
        }
        put(
            try plainHex(text, node, orElse: "IPv\(version) address, as \"\(example)\""),
            at: offset)
    }

    mutating func hardwareAddress(_ value: JSONValue, _ node: ValueNode, at offset: Int)
        throws(ValueError)
    {
        guard case .string(let text) = value else {
            throw error(
                "a MAC address for \(layout.typeName(node)) is wanted, \"0a:1b:2c:3d:4e:5f\", "
                    + "not \(described(value))")
        }
        if let read = AddressText.readHardware(text) { return put(read, at: offset) }
        put(
            try plainHex(text, node, orElse: "MAC address, as \"0a:1b:2c:3d:4e:5f\""),
            at: offset)
    }

    private func plainHex(_ text: String, _ node: ValueNode, orElse wanted: String)
        throws(ValueError) -> [UInt8]
    {
        guard text.utf8.count == 2 * node.size,
            text.utf8.allSatisfy({ JSONText.hexDigit($0) != nil })
        else { throw error("\"\(clipped(text))\" is no \(wanted)") }
        return try hex(text.utf8[...], node)
    }

    private mutating func put(_ given: [UInt8], at offset: Int) {
        for (index, byte) in given.enumerated() { bytes[offset + index] = byte }
    }

    /// The lowest `size` bytes of a number, the highest first.
    mutating func bigEndian(
        _ value: JSONValue, isSigned: Bool, _ node: ValueNode, at offset: Int
    ) throws(ValueError) {
        let range = IntegerRange(bits: 8 * node.size, isSigned: isSigned)
        let number = try integer(value, range, layout.typeName(node))
        for byte in 0..<node.size {
            bytes[offset + byte] = UInt8(
                truncatingIfNeeded: number >> UInt128(8 * (node.size - 1 - byte)))
        }
    }

    /// Buckets as they are shown, in any order, or the counters as an array of all of them.
    mutating func histogram(
        _ value: JSONValue, elementSize: Int, count: Int, _ node: ValueNode, at offset: Int
    ) throws(ValueError) {
        guard case .array(let elements) = value else {
            throw error(
                "an array of buckets, {\"from\":0,\"to\":1,\"count\":2}, for "
                    + "\(layout.typeName(node)) is wanted, not \(described(value))")
        }
        let range = IntegerRange(bits: 8 * elementSize, isSigned: false)
        let isPlain = elements.contains { $0.object == nil }
        guard !isPlain || elements.count == count else {
            throw error("\(elements.count) counters, \(layout.typeName(node)) has \(count)")
        }
        guard elements.count <= count else {
            throw error("\(elements.count) buckets, \(layout.typeName(node)) has \(count)")
        }
        var seen: Set<Int> = []
        for (index, element) in elements.enumerated() {
            path.enter(index)
            let slot = isPlain ? index : try bucket(element, of: count)
            guard seen.insert(slot).inserted else {
                throw error("a second bucket from \(Histogram.from(slot))")
            }
            if !isPlain { path.enter("count") }
            let number = try integer(
                isPlain ? element : element["count"] ?? 0, range, "a counter")
            for byte in 0..<elementSize {
                bytes[offset + slot * elementSize + byte] = UInt8(
                    truncatingIfNeeded: number >> UInt128(8 * byte))
            }
            if !isPlain { path.leave() }
            path.leave()
        }
    }

    private func bucket(_ value: JSONValue, of count: Int) throws(ValueError) -> Int {
        guard let object = value.object,
            object.members.allSatisfy({ ["from", "to", "count"].contains($0.name) }),
            let from = object["from"]?.uint64 ?? object["from"]?.string.flatMap(UInt64.init),
            let slot = Histogram.slot(from: from, of: count)
        else {
            throw error(
                "a bucket is {\"from\":…,\"to\":…,\"count\":…}, and begins at 0 or a power of two "
                    + "from 2 to 2^\(count - 1)")
        }
        return slot
    }
}
