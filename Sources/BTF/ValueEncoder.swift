import JSON

/// Writes one JSON value as bytes of a layout.
struct ValueEncoder {
    let layout: ValueLayout
    let base: JSONPointer
    /// Bytes that the value may have, where it ends in a flexible array.
    let maximumSize: Int
    var bytes: [UInt8]
    var path = JSONPath()

    init(_ layout: ValueLayout, at base: JSONPointer, maximumSize: Int) {
        self.layout = layout
        self.base = base
        self.maximumSize = maximumSize
        bytes = [UInt8](repeating: 0, count: layout.nodes[layout.root].size)
    }

    func error(_ reason: String) -> ValueError { ValueError(reason, path.pointer(from: base)) }

    /// The whole value; `hex:…` is taken as its bytes.
    mutating func encodeRoot(_ value: JSONValue) throws(ValueError) {
        let root = layout.nodes[layout.root]
        if case .string(let text) = value, text.hasPrefix("hex:") {
            let given = try hex(text.utf8.dropFirst(4), root)
            let fits =
                given.count == root.size
                || root.isFlexible && given.count > root.size && given.count <= maximumSize
            guard fits else {
                throw error(
                    "hex of \(given.count) bytes, \(layout.typeName(root)) takes \(root.size)")
            }
            bytes = given
            return
        }
        try encode(layout.root, value, at: 0, isTail: true)
    }

    mutating func encode(_ index: Int, _ value: JSONValue, at offset: Int, isTail: Bool)
        throws(ValueError)
    {
        let node = layout.nodes[index]
        switch node.shape {
        case .integer(let isSigned):
            let range = IntegerRange(bits: 8 * node.size, isSigned: isSigned)
            put(try integer(value, range, layout.typeName(node)), node.size, at: offset)
        case .bool:
            put(try bool(value, node) ? 1 : 0, node.size, at: offset)
        case .enumeration(let table):
            put(try enumeration(value, table, 8 * node.size, node), node.size, at: offset)
        case .float: try float(value, node, at: offset)
        case .text: try text(value, node, at: offset, isTail: isTail)
        case .bytes: try hexBytes(value, node, at: offset, isTail: isTail)
        case .pointer:
            guard value.string == "0x0" else {
                throw error("\(layout.typeName(node)) is a pointer and read only: leave it out")
            }
        case .address(let version):
            try address(value, version: version, node, at: offset)
        case .hardwareAddress: try hardwareAddress(value, node, at: offset)
        case .bigEndian(let isSigned):
            try bigEndian(value, isSigned: isSigned, node, at: offset)
        case .histogram(let elementSize, let count):
            try histogram(value, elementSize: elementSize, count: count, node, at: offset)
        case .opaque(let text):
            guard value.string == text else {
                throw error("\(text) belongs to the kernel and is never written: leave it out")
            }
        case .raw, .elements:
            throw error(
                "\"hex:…\" of \(node.size) bytes is wanted, not \(described(value))")
        case .array(let element, let count):
            try array(value, element, count, node, at: offset, isTail: isTail)
        case .composite(let number):
            try composite(value, layout.composites[number], node, at: offset, isTail: isTail)
        }
    }

    /// The lowest `size` bytes of a number, little-endian.
    private mutating func put(_ value: UInt128, _ size: Int, at offset: Int) {
        for byte in 0..<size {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt128(8 * byte))
        }
    }

    private mutating func composite(
        _ value: JSONValue, _ composite: ValueComposite, _ node: ValueNode, at offset: Int,
        isTail: Bool
    ) throws(ValueError) {
        guard case .object(let object) = value else {
            throw error("an object for \(layout.typeName(node)) is wanted, not \(described(value))")
        }
        var chosen: [Int: (alternative: Int, name: String)] = [:]
        for member in object {
            path.enter(member.name)
            guard let index = composite.index[member.name] else {
                throw error("\(layout.typeName(node)) has no member \"\(clipped(member.name))\"")
            }
            let field = composite.fields[index]
            for choice in field.choices {
                let other = chosen.updateValue(
                    (choice.alternative, member.name), forKey: choice.union)
                guard let other, other.alternative != choice.alternative else { continue }
                throw error(
                    "\(other.name) and \(member.name) lie in one union of "
                        + "\(layout.typeName(node)): give one of them")
            }
            if let bits = field.bits {
                try bitfield(member.value, bits, layout.nodes[field.node], at: offset)
            } else {
                try encode(
                    field.node, member.value, at: offset + field.offset,
                    isTail: isTail && field.isFlexible)
            }
            path.leave()
        }
        if composite.isUnion, object.isEmpty, !composite.fields.isEmpty {
            let names = composite.fields.prefix(8).map(\.name).joined(separator: ", ")
            throw error("exactly one member of \(layout.typeName(node)) is wanted: \(names)")
        }
    }

    mutating func bitfield(
        _ value: JSONValue, _ bits: ValueField.Bits, _ node: ValueNode, at offset: Int
    ) throws(ValueError) {
        var number: UInt128
        switch node.shape {
        case .integer(let isSigned):
            let range = IntegerRange(bits: bits.size, isSigned: isSigned)
            number = try integer(value, range, "\(layout.typeName(node)):\(bits.size)")
        case .enumeration(let table): number = try enumeration(value, table, bits.size, node)
        default: number = try bool(value, node) ? 1 : 0
        }
        for bit in 0..<bits.size {
            let place = bits.offset + bit
            let mask: UInt8 = 1 << UInt8(place % 8)
            let isSet = number & 1 == 1
            number >>= 1
            bytes[offset + place / 8] = bytes[offset + place / 8] & ~mask | (isSet ? mask : 0)
        }
    }

    private mutating func array(
        _ value: JSONValue, _ element: Int, _ count: Int, _ node: ValueNode, at offset: Int,
        isTail: Bool
    ) throws(ValueError) {
        guard case .array(let elements) = value else {
            throw error("an array for \(layout.typeName(node)) is wanted, not \(described(value))")
        }
        let stride = layout.nodes[element].size
        if isTail && node.isFlexible {
            try extend(to: offset + elements.count * stride, node)
        } else if elements.count != count {
            throw error("\(elements.count) elements, \(layout.typeName(node)) takes \(count)")
        }
        for (index, value) in elements.enumerated() {
            path.enter(index)
            try encode(element, value, at: offset + index * stride, isTail: false)
            path.leave()
        }
    }

    /// Makes the value long enough for what a flexible array is given.
    private mutating func extend(to size: Int, _ node: ValueNode) throws(ValueError) {
        guard size > bytes.count else { return }
        guard size <= maximumSize else {
            throw error("\(layout.typeName(node)) makes \(size) bytes of \(maximumSize)")
        }
        bytes += [UInt8](repeating: 0, count: size - bytes.count)
    }

    private mutating func text(
        _ value: JSONValue, _ node: ValueNode, at offset: Int, isTail: Bool
    ) throws(ValueError) {
        guard case .string(let text) = value else {
            throw error("a string for \(layout.typeName(node)) is wanted, not \(described(value))")
        }
        let size = text.utf8.count
        if isTail && node.isFlexible {
            try extend(to: offset + size, node)
        } else if size > node.size {
            throw error("a text of \(size) bytes, \(layout.typeName(node)) takes \(node.size)")
        }
        guard !text.utf8.contains(0) else {
            throw error("a text with a NUL in it for \(layout.typeName(node))")
        }
        for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
    }

    private mutating func hexBytes(
        _ value: JSONValue, _ node: ValueNode, at offset: Int, isTail: Bool
    ) throws(ValueError) {
        guard case .string(let text) = value else {
            throw error("hex text for \(layout.typeName(node)) is wanted, not \(described(value))")
        }
        let given = try hex(text.utf8[...], node)
        if isTail && node.isFlexible {
            try extend(to: offset + given.count, node)
        } else if given.count != node.size {
            throw error("hex of \(given.count) bytes, \(layout.typeName(node)) takes \(node.size)")
        }
        for (index, byte) in given.enumerated() { bytes[offset + index] = byte }
    }
}
