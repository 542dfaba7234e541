/// A filter as its text says, not yet held against any type: `pid == 7 && comm ~ "ssh*"`.
///
/// ```
/// or         = and ("||" and)*
/// and        = unary ("&&" unary)*
/// unary      = "!" unary | "(" or ")" | comparison
/// comparison = member [op value | "in" "(" value ("," value)* ")" | "&" number]
/// op         = "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
/// value      = number | "text" | true | false | ENUM_NAME | member
/// ```
/// A member alone means: not zero, not empty. `~` compares with a pattern of `*` and `?`.
public struct Filter: Sendable, Hashable {
    /// 4 KiB of text, 256 comparisons, 64 levels.
    static let mostBytes = 4096
    static let mostComparisons = 256
    static let mostLevels = 64

    public let text: String
    let root: Node

    indirect enum Node: Sendable {
        case and(Node, Node)
        case or(Node, Node)
        case not(Node)
        case comparison(Comparison)
    }

    enum Operator: String, Sendable {
        case equal = "==", unequal = "!=", less = "<", atMost = "<=", greater = ">"
        case atLeast = ">=", like = "~", unlike = "!~", mask = "&", isSet = "", among = "in"
    }

    struct Operand: Sendable {
        enum Value: Sendable {
            case integer(Int128)
            case decimal(Double)
            case text([UInt8])
            case word(String)
        }
        var value: Value
        var position: Int
    }

    struct Comparison: Sendable {
        var member: String
        var position: Int
        var operation: Operator
        /// One, but for `in`; none for a member alone.
        var operands: [Operand]
    }

    /// - Throws: where the text is no filter.
    public init(parsing text: String) throws(FilterError) {
        guard text.utf8.count <= Self.mostBytes else {
            throw FilterError(
                reason: "a filter has at most \(Self.mostBytes) bytes", position: Self.mostBytes)
        }
        self.text = text
        var parser = try FilterParser(text)
        root = try parser.parse()
    }

    public static func == (one: Filter, other: Filter) -> Bool { one.text == other.text }
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

/// Recursive descent, one function a rule.
private struct FilterParser {
    private var lexer: FilterLexer
    private var token = FilterToken.end
    private var position = 1
    private var comparisons = 0

    init(_ text: String) throws(FilterError) {
        lexer = FilterLexer(text)
        try advance()
    }

    private mutating func advance() throws(FilterError) { (token, position) = try lexer.next() }

    private mutating func takes(_ symbol: FilterToken.Symbol) throws(FilterError) -> Bool {
        guard token == .symbol(symbol) else { return false }
        try advance()
        return true
    }

    mutating func parse() throws(FilterError) -> Filter.Node {
        let node = try or(0)
        guard token == .end else {
            throw FilterError(
                reason: "expected && or || before \(token.name)", position: position)
        }
        return node
    }

    private mutating func or(_ level: Int) throws(FilterError) -> Filter.Node {
        guard level < Filter.mostLevels else {
            throw FilterError(
                reason: "more than \(Filter.mostLevels) levels of brackets", position: position)
        }
        var node = try and(level)
        while try takes(.or) { node = .or(node, try and(level)) }
        return node
    }

    private mutating func and(_ level: Int) throws(FilterError) -> Filter.Node {
        var node = try unary(level)
        while try takes(.and) { node = .and(node, try unary(level)) }
        return node
    }

    private mutating func unary(_ level: Int) throws(FilterError) -> Filter.Node {
        if try takes(.not) {
            guard level < Filter.mostLevels else {
                throw FilterError(
                    reason: "more than \(Filter.mostLevels) levels", position: position)
            }
            return .not(try unary(level + 1))
        }
        if try takes(.open) {
            let node = try or(level + 1)
            guard try takes(.close) else {
                throw FilterError(reason: "expected ) before \(token.name)", position: position)
            }
            return node
        }
        return .comparison(try comparison())
    }

    private mutating func comparison() throws(FilterError) -> Filter.Comparison {
        comparisons += 1
        guard comparisons <= Filter.mostComparisons else {
            throw FilterError(
                reason: "more than \(Filter.mostComparisons) comparisons", position: position)
        }
        if case .word(let member) = token, !["true", "false"].contains(member) {
            return try comparison(of: member)
        }
        // The value first: 7 == pid.
        let left = try operand("a member")
        let symbol = token
        let symbolPosition = position
        guard let operation = try self.operation() else {
            throw FilterError(
                reason: "expected a comparison before \(symbol.name)", position: symbolPosition)
        }
        guard case .word(let member) = token else {
            throw FilterError(
                reason: "expected a member before \(token.name)", position: position)
        }
        let place = position
        try advance()
        guard let flipped = operation.flipped else {
            throw FilterError(
                reason: "the member stands before \(operation.rawValue), the value behind it",
                position: symbolPosition)
        }
        return Filter.Comparison(
            member: member, position: place, operation: flipped, operands: [left])
    }

    private mutating func comparison(of member: String) throws(FilterError) -> Filter.Comparison {
        let place = position
        try advance()
        if token == .word("in") {
            try advance()
            return Filter.Comparison(
                member: member, position: place, operation: .among, operands: try list())
        }
        guard let operation = try operation() else {
            return Filter.Comparison(
                member: member, position: place, operation: .isSet, operands: [])
        }
        let value = try operand("a value after \(operation.rawValue)")
        return Filter.Comparison(
            member: member, position: place, operation: operation, operands: [value])
    }

    private mutating func list() throws(FilterError) -> [Filter.Operand] {
        guard try takes(.open) else {
            throw FilterError(reason: "expected ( after in", position: position)
        }
        var values = [try operand("a value")]
        while try takes(.comma) {
            values.append(try operand("a value"))
            guard values.count <= Filter.mostComparisons else {
                throw FilterError(
                    reason: "more than \(Filter.mostComparisons) values", position: position)
            }
        }
        guard try takes(.close) else {
            throw FilterError(reason: "expected ) before \(token.name)", position: position)
        }
        return values
    }

    private mutating func operation() throws(FilterError) -> Filter.Operator? {
        guard case .symbol(let symbol) = token,
            let operation = Filter.Operator(rawValue: symbol.rawValue)
        else { return nil }
        try advance()
        return operation
    }

    private mutating func operand(_ wanted: String) throws(FilterError) -> Filter.Operand {
        let value: Filter.Operand.Value
        switch token {
        case .integer(let number): value = .integer(number)
        case .decimal(let number): value = .decimal(number)
        case .text(let text): value = .text(text)
        case .word(let word): value = .word(word)
        case .symbol, .end:
            throw FilterError(
                reason: "expected \(wanted) before \(token.name)", position: position)
        }
        let operand = Filter.Operand(value: value, position: position)
        try advance()
        return operand
    }
}

extension Filter.Operator {
    /// The operator with its sides changed.
    fileprivate var flipped: Self? {
        switch self {
        case .equal, .unequal: self
        case .less: .greater
        case .atMost: .atLeast
        case .greater: .less
        case .atLeast: .atMost
        default: nil
        }
    }
}
