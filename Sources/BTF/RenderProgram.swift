import JSON

/// One step of rendering: copies a literal, then writes one value behind it.
struct RenderOperation: Sendable {
    enum Kind: UInt8, Sendable {
        /// Ends the program or the body of a loop, after its literal.
        case end
        /// Makes room for `size` bytes of text; everything up to the next one fits into it.
        case reserve
        /// Nothing behind its literal: a longer one goes on in the next operation.
        case literal
        case unsigned8, unsigned16, unsigned32, unsigned64
        case signed8, signed16, signed32, signed64
        /// `size` bytes up to NUL, quotes included in the literals around it.
        case text
        /// Values that are rare or cost more than their call; told apart by `table`, a `RareKind`.
        case rare
        /// The operations behind it up to `end`, `size` times, `stride` apart; goes on at `next`.
        case loop
    }

    /// The text before the value, here so that copying it is one load and one store.
    var literal = SIMD16<UInt8>()
    var literalSize: UInt8 = 0
    var kind: Kind
    /// Bytes from the start of the record or of the loop's element.
    var offset: UInt32
    /// Bytes of the value, or elements of a loop; `toEnd` to count up to the record's end.
    var size: UInt32
    /// Bytes from one element to the next; of a rare value, index into its table.
    var stride: UInt32 = 0
    var next: UInt32 = 0
    var rare = RareKind.bool

    static let toEnd = UInt32.max
    /// Of a loop: once where the record has the element, else not.
    static let once = UInt32.max - 1
    /// Bytes of one literal.
    static let mostLiteral = 16

    enum RareKind: UInt8, Sendable {
        case bool, unsigned128, signed128, float, enumeration, pointer, hex, raw, bits, longText
        case address4, address6, hardwareAddress, bigEndian, signedBigEndian, histogram
    }
}

/// A bitfield, as the renderer needs it.
struct RenderBits: Sendable {
    enum Look: Sendable {
        case integer(isSigned: Bool)
        case bool
        case enumeration(Int)
    }
    let field: ValueField.Bits
    let look: Look
}

/// The flat list of operations that renders a layout.
///
/// Everything constant between two values is a literal: `,"uid":`. Room for the text is made once
/// for as many operations as fit `chunkSize`, most often for the whole record.
struct RenderProgram: Sendable {
    private(set) var operations: [RenderOperation] = []
    private(set) var bits: [RenderBits] = []

    static let chunkSize = 1 << 16
    /// Longer ones make room for themselves, piece by piece.
    static let longTextSize = 1 << 12
    /// Fewer scalars than this are written out instead of looped over.
    private static let unrolledCount = 8

    /// Text that the next operation copies.
    private var pending: [UInt8] = []
    private var reserveIndex = 0
    private var reserved = 0

    init(_ layout: ValueLayout) {
        reserve()
        emit(layout.root, layout, offset: 0, isTail: true)
        append(.end, offset: 0, size: 0, text: 0)
    }

    private mutating func literal(_ text: some Sequence<UInt8>) {
        pending.append(contentsOf: text)
    }

    private mutating func append(
        _ kind: RenderOperation.Kind, offset: Int, size: Int, text: Int, stride: Int = 0,
        rare: RenderOperation.RareKind = .bool
    ) {
        let needed = text + pending.count
        if reserved + needed > Self.chunkSize, reserved > 0 { reserve() }
        let most = RenderOperation.mostLiteral
        while pending.count > most {
            put(RenderOperation(kind: .literal, offset: 0, size: 0), pending.prefix(most))
            pending.removeFirst(most)
        }
        put(
            RenderOperation(
                kind: kind, offset: UInt32(offset), size: UInt32(size), stride: UInt32(stride),
                rare: rare), pending[...])
        pending.removeAll()
        reserved += needed
        operations[reserveIndex].size = UInt32(reserved + JSONText.slack)
    }

    private mutating func put(_ operation: RenderOperation, _ literal: ArraySlice<UInt8>) {
        var operation = operation
        for (index, byte) in literal.enumerated() { operation.literal[index] = byte }
        operation.literalSize = UInt8(literal.count)
        operations.append(operation)
    }

    /// Starts a new reservation; the literal that is pending belongs to what comes after it.
    private mutating func reserve() {
        reserveIndex = operations.count
        reserved = 0
        operations.append(
            RenderOperation(kind: .reserve, offset: 0, size: UInt32(JSONText.slack)))
    }

    private mutating func emit(_ index: Int, _ layout: ValueLayout, offset: Int, isTail: Bool) {
        let node = layout.nodes[index]
        switch node.shape {
        case .integer(let isSigned): integer(node.size, isSigned, offset)
        case .bool: rare(.bool, offset, node.size, text: 5)
        case .float: rare(.float, offset, node.size, text: 34)
        case .pointer: rare(.pointer, offset, 8, text: 20)
        case .enumeration(let table):
            rare(.enumeration, offset, node.size, text: node.textSize, table: table)
        case .raw: rare(.raw, offset, node.size, text: 0)
        case .opaque(let text): literal(quoted(text))
        case .address(let version):
            rare(version == 4 ? .address4 : .address6, offset, node.size, text: 48)
        case .hardwareAddress: rare(.hardwareAddress, offset, node.size, text: 20)
        case .bigEndian(let isSigned):
            rare(isSigned ? .signedBigEndian : .bigEndian, offset, node.size, text: 42)
        case .histogram(let elementSize, _):
            rare(.histogram, offset, node.size, text: 0, table: elementSize)
            reserve()
        case .text: text(node, offset, toEnd: isTail && node.isFlexible)
        case .bytes:
            let toEnd = isTail && node.isFlexible
            if !toEnd && node.size <= Self.longTextSize {
                rare(.hex, offset, node.size, text: 2 * node.size + 2)
            } else {
                rare(.hex, offset, toEnd ? Int(RenderOperation.toEnd) : node.size, text: 0)
                reserve()
            }
        case .array(let element, let count):
            let toEnd = isTail && node.isFlexible
            array(element, toEnd ? nil : count, node, layout, offset)
        case .composite(let number):
            composite(layout.composites[number], layout, offset, isTail: isTail)
        case .elements(let elements, let stride):
            self.elements(elements, stride, layout, offset, isOpen: isTail && node.isFlexible)
        }
    }

    private mutating func integer(_ size: Int, _ isSigned: Bool, _ offset: Int) {
        let kind: RenderOperation.Kind
        switch (size, isSigned) {
        case (1, false): kind = .unsigned8
        case (2, false): kind = .unsigned16
        case (4, false): kind = .unsigned32
        case (8, false): kind = .unsigned64
        case (1, true): kind = .signed8
        case (2, true): kind = .signed16
        case (4, true): kind = .signed32
        case (8, true): kind = .signed64
        default: return rare(isSigned ? .signed128 : .unsigned128, offset, size, text: 42)
        }
        append(kind, offset: offset, size: size, text: 22)
    }

    private mutating func rare(
        _ kind: RenderOperation.RareKind, _ offset: Int, _ size: Int, text: Int, table: Int = 0
    ) {
        append(.rare, offset: offset, size: size, text: text, stride: table, rare: kind)
    }

    private mutating func text(_ node: ValueNode, _ offset: Int, toEnd: Bool) {
        guard toEnd || node.size > Self.longTextSize else {
            literal("\"".utf8)
            append(.text, offset: offset, size: node.size, text: 6 * node.size)
            literal("\"".utf8)
            return
        }
        rare(.longText, offset, toEnd ? Int(RenderOperation.toEnd) : node.size, text: 0)
        reserve()
    }

    /// - Parameter count: `nil` for as many as the record holds.
    private mutating func array(
        _ element: Int, _ count: Int?, _ node: ValueNode, _ layout: ValueLayout, _ offset: Int
    ) {
        let child = layout.nodes[element]
        literal("[".utf8)
        if let count, count * child.operationCount <= Self.unrolledCount {
            for index in 0..<count {
                if index > 0 { literal(",".utf8) }
                emit(element, layout, offset: offset + index * child.size, isTail: false)
            }
            literal("]".utf8)
            return
        }
        let isLong = count == nil || node.textSize > Self.chunkSize
        append(
            .loop, offset: offset, size: count ?? Int(RenderOperation.toEnd),
            text: isLong ? 0 : node.textSize, stride: child.size)
        let loop = operations.count - 1
        let (outer, outerReserved) = (reserveIndex, reserved)
        if isLong { reserve() }
        emit(element, layout, offset: 0, isTail: false)
        append(.end, offset: 0, size: 0, text: 1)
        operations[loop].next = UInt32(operations.count)
        if isLong {
            reserve()
        } else {
            // The loop's whole text is in the reservation that it began with.
            (reserveIndex, reserved) = (outer, outerReserved)
            operations[reserveIndex].size = UInt32(reserved + JSONText.slack)
        }
        literal("]".utf8)
    }

    /// Some elements of an array, in their places: `[null,null,7]`.
    /// - Parameter isOpen: whether the record has only some of them.
    private mutating func elements(
        _ elements: [ValueElement], _ stride: Int, _ layout: ValueLayout, _ offset: Int,
        isOpen: Bool
    ) {
        literal("[".utf8)
        var next = 0
        for element in elements {
            let place = offset + element.index * stride
            if isOpen {
                append(
                    .loop, offset: place, size: Int(RenderOperation.once), text: 0, stride: stride)
            }
            let loop = operations.count - 1
            if isOpen { reserve() }
            if next > 0 { literal(",".utf8) }
            for _ in next..<element.index { literal("null,".utf8) }
            emit(element.node, layout, offset: isOpen ? 0 : place, isTail: false)
            next = element.index + 1
            guard isOpen else { continue }
            append(.end, offset: 0, size: 0, text: 1)
            operations[loop].next = UInt32(operations.count)
            reserve()
        }
        literal("]".utf8)
    }

    private mutating func composite(
        _ composite: ValueComposite, _ layout: ValueLayout, _ offset: Int, isTail: Bool
    ) {
        literal("{".utf8)
        for (number, field) in composite.fields.enumerated() {
            literal(number == 0 ? [] : ",".utf8.map { $0 })
            literal(quoted(field.name))
            literal(":".utf8)
            guard let place = field.bits else {
                emit(
                    field.node, layout, offset: offset + field.offset,
                    isTail: isTail && field.isFlexible)
                continue
            }
            let node = layout.nodes[field.node]
            let look: RenderBits.Look
            switch node.shape {
            case .integer(let isSigned): look = .integer(isSigned: isSigned)
            case .enumeration(let table): look = .enumeration(table)
            default: look = .bool
            }
            bits.append(RenderBits(field: place, look: look))
            rare(.bits, offset, 0, text: max(node.textSize, 42), table: bits.count - 1)
        }
        literal("}".utf8)
    }
}
