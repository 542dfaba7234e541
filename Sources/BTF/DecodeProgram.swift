import JSON

/// Reads JSON text straight into bytes, for what most values are: numbers, text and hex in structs
/// and arrays, spelt plainly. Everything else, and everything wrong, is left to `encode`, which
/// takes ten times as long and says what is wrong: what this takes, that takes to the same bytes.
struct DecodeProgram: Sendable {
    private enum Kind: UInt8, Sendable {
        case other, unsigned, signed, bool, text, hex, array, composite
    }

    // Plain values in flat arrays: nothing is retained on the way.
    private struct Node: Sendable {
        var kind = Kind.other
        var size = 0
        /// The element's node, or the first field.
        var first = 0
        var count = 0
    }

    private struct Field: Sendable {
        let node: Int
        let offset: Int
        let name: Range<Int>
    }

    private var nodes: [Node] = []
    private var fields: [Field] = []
    private var names: [UInt8] = []
    private let root: Int

    init(_ layout: ValueLayout) {
        root = layout.root
        for node in layout.nodes { nodes.append(Node(size: node.size)) }
        for (index, node) in layout.nodes.enumerated() where !node.isFlexible {
            switch node.shape {
            case .integer(let isSigned) where node.size <= 8:
                nodes[index].kind = isSigned ? .signed : .unsigned
            case .bool where node.size == 1: nodes[index].kind = .bool
            case .text: nodes[index].kind = .text
            case .bytes: nodes[index].kind = .hex
            case .array(let element, let count):
                nodes[index].kind = .array
                (nodes[index].first, nodes[index].count) = (element, count)
            case .composite(let number): add(layout.composites[number], to: index)
            default: break
            }
        }
    }

    private mutating func add(_ composite: ValueComposite, to index: Int) {
        let isPlain = composite.fields.allSatisfy { $0.bits == nil && $0.choices.isEmpty }
        // One bit a field tells whether it was given.
        guard isPlain, !composite.isUnion, (1...64).contains(composite.fields.count) else { return }
        nodes[index].kind = .composite
        (nodes[index].first, nodes[index].count) = (fields.count, composite.fields.count)
        for field in composite.fields {
            let start = names.count
            names += field.name.utf8
            fields.append(
                Field(node: field.node, offset: field.offset, name: start..<names.count))
        }
    }

    /// Writes the value that begins at `position` to `bytes`, which are zero from `offset` on.
    /// - Returns: false where it is for `encode` to read; then `bytes` may be written to.
    func decode(
        _ json: Span<UInt8>, _ position: inout Int, into bytes: inout [UInt8], at offset: Int
    ) -> Bool {
        PlainJSON.skipSpace(json, &position)
        // A whole value that is text may be bytes: `hex:…`.
        var start = position
        if nodes[root].kind == .text || nodes[root].kind == .hex,
            let text = PlainJSON.string(json, &start), text.contains(where: { json[$0] == 0x3A })
        {
            return false
        }
        return value(root, json, &position, &bytes, offset)
    }

    private func value(
        _ index: Int, _ json: Span<UInt8>, _ position: inout Int, _ bytes: inout [UInt8],
        _ offset: Int
    ) -> Bool {
        let node = nodes[index]
        PlainJSON.skipSpace(json, &position)
        switch node.kind {
        case .unsigned, .signed:
            guard let (magnitude, isNegative) = PlainJSON.integer(json, &position) else {
                return false
            }
            return store(magnitude, isNegative, node, &bytes, offset)
        case .bool:
            if PlainJSON.skip("true", json, &position) {
                bytes[offset] = 1
                return true
            }
            return PlainJSON.skip("false", json, &position)
        case .text:
            guard let text = PlainJSON.string(json, &position), text.count <= node.size else {
                return false
            }
            for place in text { bytes[offset + place - text.lowerBound] = json[place] }
            return true
        case .hex:
            guard let text = PlainJSON.string(json, &position), text.count == 2 * node.size else {
                return false
            }
            for byte in 0..<node.size {
                guard let high = JSONText.hexDigit(json[text.lowerBound + 2 * byte]),
                    let low = JSONText.hexDigit(json[text.lowerBound + 2 * byte + 1])
                else { return false }
                bytes[offset + byte] = high << 4 | low
            }
            return true
        case .array: return array(node, json, &position, &bytes, offset)
        case .composite: return composite(node, json, &position, &bytes, offset)
        case .other: return false
        }
    }

    private func store(
        _ magnitude: UInt64, _ isNegative: Bool, _ node: Node, _ bytes: inout [UInt8],
        _ offset: Int
    ) -> Bool {
        let all = UInt64.max >> UInt64(64 - 8 * node.size)
        var value = magnitude
        if node.kind == .signed {
            guard magnitude <= all >> 1 + (isNegative ? 1 : 0) else { return false }
            if isNegative { value = 0 &- magnitude }
        } else if magnitude > all || isNegative && magnitude > 0 {
            return false
        }
        for byte in 0..<node.size {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        }
        return true
    }

    private func array(
        _ node: Node, _ json: Span<UInt8>, _ position: inout Int, _ bytes: inout [UInt8],
        _ offset: Int
    ) -> Bool {
        guard node.count > 0, PlainJSON.skip("[", json, &position) else { return false }
        let stride = nodes[node.first].size
        for element in 0..<node.count {
            if element > 0 {
                PlainJSON.skipSpace(json, &position)
                guard PlainJSON.skip(",", json, &position) else { return false }
            }
            guard value(node.first, json, &position, &bytes, offset + element * stride) else {
                return false
            }
        }
        PlainJSON.skipSpace(json, &position)
        return PlainJSON.skip("]", json, &position)
    }

    private func composite(
        _ node: Node, _ json: Span<UInt8>, _ position: inout Int, _ bytes: inout [UInt8],
        _ offset: Int
    ) -> Bool {
        guard PlainJSON.skip("{", json, &position) else { return false }
        PlainJSON.skipSpace(json, &position)
        if PlainJSON.skip("}", json, &position) { return true }
        var given: UInt64 = 0
        var expected = 0
        while true {
            PlainJSON.skipSpace(json, &position)
            guard let name = PlainJSON.string(json, &position) else { return false }
            // Members most often come in the order of the struct.
            var found = -1
            for step in 0..<node.count {
                let number =
                    expected + step < node.count ? expected + step : expected + step - node.count
                if isName(json, name, fields[node.first + number].name) {
                    found = number
                    break
                }
            }
            guard found >= 0, given & 1 << UInt64(found) == 0 else { return false }
            given |= 1 << UInt64(found)
            expected = found + 1 == node.count ? 0 : found + 1
            PlainJSON.skipSpace(json, &position)
            guard PlainJSON.skip(":", json, &position) else { return false }
            let field = fields[node.first + found]
            guard value(field.node, json, &position, &bytes, offset + field.offset) else {
                return false
            }
            PlainJSON.skipSpace(json, &position)
            if PlainJSON.skip("}", json, &position) { return true }
            guard PlainJSON.skip(",", json, &position) else { return false }
        }
    }

    private func isName(_ json: Span<UInt8>, _ given: Range<Int>, _ name: Range<Int>) -> Bool {
        guard given.count == name.count else { return false }
        for place in 0..<name.count
        where json[given.lowerBound + place] != names[name.lowerBound + place] { return false }
        return true
    }
}

extension ValuePlan {
    /// Reads the JSON value that begins at `position` straight into `bytes`, which have `size`
    /// zeros from `offset` on.
    /// - Returns: false for what only `encode` can read, or nobody: then the position means
    ///   nothing, and bytes from `offset` on may be written to.
    public func decode(
        _ json: Span<UInt8>, _ position: inout Int, into bytes: inout [UInt8], at offset: Int
    ) -> Bool {
        compiled.decoding.decode(json, &position, into: &bytes, at: offset)
    }
}
