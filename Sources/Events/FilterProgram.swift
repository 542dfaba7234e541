internal import BTF

/// A filter made ready for one type: tests on raw bytes, each of which says which test is next.
struct FilterProgram: Sendable {
    enum Order: Sendable { case equal, less, atMost, greater, atLeast }

    enum Kind: Sendable {
        /// Whether an integer is within bounds.
        case range(IntegerField, low: Int128, high: Int128)
        case mask(IntegerField, UInt64)
        case pair(IntegerField, Order, IntegerField)
        case number(FloatField, Order, Double)
        case text(ByteField, [UInt8])
        case pattern(ByteField, GlobPattern)
        case bytes(ByteField, [UInt8])
        case notEmpty(ByteField)
    }

    struct Test: Sendable {
        var kind: Kind
        var onTrue: Int
        var onFalse: Int
        /// Where the record is too short for it: an element that it does not have.
        var onAbsent: Int
        /// Bytes that the record must have.
        var end: Int
    }

    static let accept = -1
    static let reject = -2

    private(set) var tests: [Test] = []
    private var first = accept
    /// A shorter record matches no filter.
    private let size: Int

    /// - Throws: a member that the type does not have, or a value that it cannot be compared with.
    init(_ filter: Filter, _ type: RecordType) throws(FilterError) {
        size = type.plan.leastSize
        let compiler = FilterCompiler(type)
        first = try emit(filter.root, compiler, Self.accept, Self.reject)
    }

    /// Adds the tests of a node. - Returns: the first of them.
    private mutating func emit(
        _ node: Filter.Node, _ compiler: FilterCompiler, _ onTrue: Int, _ onFalse: Int
    ) throws(FilterError) -> Int {
        switch node {
        case .and(let one, let other):
            let next = try emit(other, compiler, onTrue, onFalse)
            return try emit(one, compiler, next, onFalse)
        case .or(let one, let other):
            let next = try emit(other, compiler, onTrue, onFalse)
            return try emit(one, compiler, onTrue, next)
        case .not(let inner): return try emit(inner, compiler, onFalse, onTrue)
        case .comparison(let comparison):
            var next = onFalse
            for (kind, isNegated) in try compiler.tests(comparison).reversed() {
                tests.append(
                    Test(
                        kind: kind, onTrue: isNegated ? next : onTrue,
                        onFalse: isNegated ? onTrue : next, onAbsent: next, end: kind.end))
                next = tests.count - 1
            }
            return next
        }
    }

    /// Whether a record of the type is what the filter asks for. Reads nothing beyond the record.
    func matches(_ record: Span<UInt8>) -> Bool {
        guard record.count >= size else { return false }
        return unsafe record.withUnsafeBytes { record in
            var at = first
            while at >= 0 {
                let test = tests[at]
                guard record.count >= test.end else {
                    at = test.onAbsent
                    continue
                }
                at = unsafe test.kind.holds(record) ? test.onTrue : test.onFalse
            }
            return at == Self.accept
        }
    }
}

/// A `float` or `double` of a record.
struct FloatField: Sendable {
    let offset: Int
    let isDouble: Bool
    /// Bytes that a record must have for it.
    let end: Int
}

/// Bytes of a record; those of a flexible array reach to its end.
struct ByteField: Sendable {
    let offset: Int
    let size: Int
    let isFlexible: Bool

    /// Bytes that a record must have for it.
    let end: Int

    init(_ member: ValuePlan.Member) {
        (offset, size, isFlexible) = (member.offset, member.size, member.isFlexible)
        end = isFlexible ? offset : max(offset + size, member.elementEnd)
    }

    // SAFETY: the caller compared `end` with the record's length.
    func bytes(_ record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let end = isFlexible ? record.count : offset + size
        return unsafe UnsafeRawBufferPointer(rebasing: record[offset..<max(offset, end)])
    }

    /// Up to the first NUL.
    func text(_ record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let bytes = unsafe bytes(record)
        let count = unsafe bytes.firstIndex(of: 0) ?? bytes.count
        return unsafe UnsafeRawBufferPointer(rebasing: bytes[0..<count])
    }
}

extension FilterProgram.Kind {
    /// Bytes that a record must have for its fields.
    fileprivate var end: Int {
        switch self {
        case .range(let field, _, _), .mask(let field, _): field.end
        case .pair(let one, _, let other): max(one.end, other.end)
        case .number(let field, _, _): field.end
        case .text(let field, _), .pattern(let field, _), .bytes(let field, _),
            .notEmpty(let field):
            field.end
        }
    }

    // SAFETY: `record` has `end` bytes, within which all fields lie.
    fileprivate func holds(_ record: UnsafeRawBufferPointer) -> Bool {
        guard let base = record.baseAddress else { return false }
        switch self {
        case .range(let field, let low, let high):
            let value = unsafe field.value(base)
            return value >= low && value <= high
        case .mask(let field, let mask): return unsafe field.bits(base) & mask != 0
        case .pair(let one, let order, let other):
            return unsafe order.holds(one.value(base), other.value(base))
        case .number(let field, let order, let number):
            let value =
                unsafe field.isDouble
                ? base.loadUnaligned(fromByteOffset: field.offset, as: Double.self)
                : Double(base.loadUnaligned(fromByteOffset: field.offset, as: Float.self))
            return order.holds(value, number)
        case .text(let field, let wanted):
            return unsafe field.text(record).elementsEqual(wanted)
        case .pattern(let field, let pattern):
            return unsafe pattern.matches(field.text(record))
        case .bytes(let field, let wanted):
            return unsafe field.bytes(record).elementsEqual(wanted)
        case .notEmpty(let field):
            return unsafe field.bytes(record).contains { $0 != 0 }
        }
    }
}

extension FilterProgram.Order {
    fileprivate func holds<Value: Comparable>(_ one: Value, _ other: Value) -> Bool {
        switch self {
        case .equal: one == other
        case .less: one < other
        case .atMost: one <= other
        case .greater: one > other
        case .atLeast: one >= other
        }
    }
}

/// A pattern of `*` (any bytes) and `?` (one character); `\*` and `\?` stand for themselves.
struct GlobPattern: Sendable {
    private enum Piece: Sendable, Equatable { case byte(UInt8), one, any }
    private let pieces: [Piece]

    init(_ text: [UInt8]) {
        var pieces: [Piece] = []
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "*"): if pieces.last != .any { pieces.append(.any) }
            case UInt8(ascii: "?"): pieces.append(.one)
            case UInt8(ascii: "\\") where index < text.count:
                pieces.append(.byte(text[index]))
                index += 1
            default: pieces.append(.byte(byte))
            }
        }
        self.pieces = pieces
    }

    /// At most as many steps as text and pattern multiplied: one star is tried anew at a time.
    func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        var (at, piece) = (0, 0)
        var retry: (text: Int, piece: Int)?
        while at < text.count {
            if piece < pieces.count {
                switch pieces[piece] {
                case .any:
                    retry = (at, piece + 1)
                    piece += 1
                    continue
                case .one:
                    at += 1
                    // The rest of a character of several bytes.
                    while at < text.count, unsafe text[at] & 0xC0 == 0x80 { at += 1 }
                    piece += 1
                    continue
                case .byte(let wanted):
                    if unsafe text[at] == wanted {
                        at += 1
                        piece += 1
                        continue
                    }
                }
            }
            guard let (from, next) = retry else { return false }
            at = from + 1
            piece = next
            retry = (at, next)
        }
        return pieces[piece...].allSatisfy { $0 == .any }
    }
}
