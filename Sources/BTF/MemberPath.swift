/// Why a path leads to no member.
public struct MemberPathError: Error, Sendable, Hashable {
    /// A clause: "place is a struct place and has no nope: there is place.cpu".
    public let reason: String
    /// Bytes of the path before what is wrong.
    public let offset: Int
    /// Whether the path is none whatever the type.
    public let isSpelling: Bool
}

/// The steps of a path to a member, which filters, projections, conditions on map entries and the
/// options of streams spell alike: `task.pid`, `args[1]` or `args.1`, `in[1].x`.
///
/// Members of structs and unions go by name, elements of arrays by number. A name with a dot in it
/// is found as it is.
public enum MemberPath {
    /// A member's name: up to the next `.` or `[`, or all there is where that is one.
    static func name(_ path: inout Substring, _ known: [String: Int] = [:]) -> Substring {
        let whole = path
        let name = known[String(whole)] != nil ? whole : whole.prefix { $0 != "." && $0 != "[" }
        path = whole.dropFirst(name.count)
        return name
    }

    /// An element's number, `[1]` or `1`.
    static func index(_ path: inout Substring) -> Int? {
        let isBracketed = path.first == "["
        if isBracketed { path = path.dropFirst() }
        let digits = path.prefix { $0.isASCII && $0.isNumber }
        path = path.dropFirst(digits.count)
        guard !isBracketed || path.popFirst() == "]" else { return nil }
        return Int(digits)
    }

    /// Steps over the dot before a name or a number; a bracket follows without one.
    static func goesOn(_ path: inout Substring) -> Bool {
        if path.first == "[" { return true }
        return path.popFirst() == "." && path.first != "["
    }

    /// Whether a text can be a path of any type.
    public static func check(_ path: String) throws(MemberPathError) {
        var rest = path[...]
        var start = rest.startIndex
        func refused(_ reason: String) -> MemberPathError {
            let offset = path.utf8.distance(from: path.startIndex, to: start)
            return MemberPathError(reason: reason, offset: offset, isSpelling: true)
        }
        guard !name(&rest).isEmpty else { throw refused("a member's name is wanted") }
        while !rest.isEmpty {
            start = rest.startIndex
            guard goesOn(&rest) else {
                throw refused("\(path[start...]) is no step: .name or [3]")
            }
            if rest.first == "[" {
                guard index(&rest) != nil else {
                    throw refused("\(path[start...]) is no element: [3]")
                }
            } else if name(&rest).isEmpty {
                throw refused("a name is wanted behind the dot")
            }
        }
    }
}

extension ValueLayout {
    enum Step: Hashable {
        /// By its place in the fields of the struct.
        case member(Int)
        case element(Int)
    }

    /// What lies at a path.
    struct Found {
        var steps: [Step] = []
        var node: Int
        /// Bytes from the start of the value.
        var offset = 0
        /// Of a member of a struct; nil of an element.
        var field: ValueField?
        /// Where the element of a flexible array ends that it lies in.
        var elementEnd = 0
        /// Whether the value may go on behind it with what a flexible array has.
        var isTail = true
    }

    /// Elements behind this byte are in no value.
    static let farthestOffset = 1 << 30

    /// Goes as far as the path leads.
    /// - Parameter inTail: whether elements of a flexible array are members: they may lie behind
    ///   the end of a value.
    /// - Returns: what was found, and what is left of the path, empty where all of it was found.
    func follow(_ path: String, inTail: Bool) -> (found: Found, rest: Substring) {
        var found = Found(node: root)
        var rest = path[...]
        while true {
            var next = rest
            if !found.steps.isEmpty {
                if rest.isEmpty { return (found, rest) }
                guard found.field?.bits == nil, MemberPath.goesOn(&next) else {
                    return (found, rest)
                }
            }
            guard step(&found, &next, inTail: inTail) else { return (found, rest) }
            rest = next
        }
    }

    private func step(_ found: inout Found, _ path: inout Substring, inTail: Bool) -> Bool {
        switch nodes[found.node].shape {
        case .composite(let number):
            let composite = composites[number]
            let name = MemberPath.name(&path, composite.index)
            guard let place = composite.index[String(name)] else { return false }
            let field = composite.fields[place]
            found.steps.append(.member(place))
            found.isTail = found.isTail && field.isFlexible
            (found.node, found.field) = (field.node, field)
            found.offset += field.offset
            return true
        case .array(let element, let count):
            let isOpen = inTail && found.isTail && nodes[found.node].isFlexible
            let size = nodes[element].size
            guard let index = MemberPath.index(&path), isOpen ? size > 0 : index < count,
                size == 0 || index < (Self.farthestOffset - found.offset) / size
            else { return false }
            found.steps.append(.element(index))
            found.offset += index * size
            if isOpen { found.elementEnd = found.offset + size }
            found.isTail = false
            (found.node, found.field) = (element, nil)
            return true
        default: return false
        }
    }
}

extension ValuePlan {
    /// The member at a path, within `size` bytes. `nil` where there is none.
    public func member(at path: String) -> Member? {
        let (found, rest) = compiled.layout.follow(path, inTail: false)
        return rest.isEmpty && !found.steps.isEmpty ? member(found, path) : nil
    }

    /// The member at a path. Elements of a flexible array are among them: whether a value has it is
    /// for the caller to compare.
    public func find(_ path: String) throws(MemberPathError) -> Member {
        try MemberPath.check(path)
        let (found, rest) = compiled.layout.follow(path, inTail: true)
        guard !rest.isEmpty || found.steps.isEmpty else { return member(found, path) }
        let known = path[..<rest.startIndex]
        let offset = known.utf8.count + (rest.first == "." ? 1 : 0)
        guard !found.steps.isEmpty else {
            throw MemberPathError(
                reason: "\(typeName) has no member \(path): "
                    + members.prefix(Self.mostNames).map(\.name).joined(separator: ", "),
                offset: 0, isSpelling: false)
        }
        let member = member(found, String(known))
        throw MemberPathError(
            reason: "\(known) is a \(member.typeName) and has no \(rest.drop { $0 == "." })"
                + (parts(of: member).map { ": there is \($0)" } ?? ""),
            offset: offset, isSpelling: false)
    }

    /// The members, and those of members that are structs, by their paths, at most 4096.
    public var nestedMembers: [Member] {
        var found: [Member] = []
        var next = members
        while !next.isEmpty, found.count + next.count <= 4096 {
            found += next
            next = next.flatMap { $0.kind == .structure ? members(of: $0) : [] }
        }
        return found
    }

    private func member(_ found: ValueLayout.Found, _ path: String) -> Member {
        guard let field = found.field else {
            var element = member(found.node, named: path, at: found.offset)
            element.elementEnd = found.elementEnd
            return element
        }
        var member = member(field, named: path, at: found.offset - field.offset)
        member.elementEnd = found.elementEnd
        // One inside a struct that stands in an array has nothing behind it.
        member.isFlexible = found.isTail
        return member
    }

    /// What of a member can be named: `place.cpu, place.numbers`, `numbers[0] to numbers[2]`.
    public func parts(of member: Member) -> String? {
        let members = members(of: member)
        if !members.isEmpty {
            return members.prefix(Self.mostNames).map(\.name).joined(separator: ", ")
        }
        guard let count = elementCount(of: member) else { return nil }
        if count == 0 { return member.isFlexible ? "\(member.name)[0] and so on" : nil }
        return "\(member.name)[0]" + (count > 1 ? " to \(member.name)[\(count - 1)]" : "")
    }

    private static var mostNames: Int { 20 }
}
