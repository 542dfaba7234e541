import JSON

/// Makes C structs, what values they have, and what bpftool shows of those.
struct CTypes {
    indirect enum Shape {
        case integer(bits: Int, isSigned: Bool, isBitfield: Bool)
        case bool, pointer
        case enumeration([(name: String, value: Int)])
        case text(Int), bytes(Int)
        case array(Shape, Int)
        case structure([Member])
        case union([Member])
    }

    struct Member {
        /// Empty for an anonymous struct or union.
        let name: String
        let shape: Shape
    }

    var random: Seeded
    /// What must stand before the struct.
    private(set) var declarations = ""
    private var names = 0

    init(seed: UInt64) { random = Seeded(state: seed) }

    mutating func pick(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }

    mutating func name() -> String {
        names += 1
        return "m\(names)"
    }

    /// A struct: its name and what it is.
    mutating func structure(depth: Int) -> (name: String, shape: Shape) {
        let (body, members) = members(depth: depth, count: pick(2...7), isUnion: false)
        let name = "s_\(self.name())"
        declarations += "struct \(name) {\n\(body)};\n"
        return (name, .structure(members))
    }

    private mutating func members(depth: Int, count: Int, isUnion: Bool)
        -> (text: String, [Member])
    {
        var (text, members) = ("", [Member]())
        var hasAnonymous = false
        for _ in 0..<count {
            if !isUnion, pick(0...4) == 0 {
                let (bits, isSigned, member) = (pick(1...31), Bool.random(using: &random), name())
                text += "    \(isSigned ? "int" : "unsigned") \(member) : \(bits);\n"
                let shape = Shape.integer(bits: bits, isSigned: isSigned, isBitfield: true)
                members.append(Member(name: member, shape: shape))
                continue
            }
            // bpftool gives each anonymous member the name "", so one has to do.
            if depth > 0, !hasAnonymous, !isUnion, pick(0...5) == 0 {
                hasAnonymous = true
                let isUnion = Bool.random(using: &random)
                let inner = self.members(depth: depth - 1, count: pick(1...3), isUnion: isUnion)
                text += "    \(isUnion ? "union" : "struct") {\n\(inner.text)    };\n"
                let shape = isUnion ? Shape.union(inner.1) : .structure(inner.1)
                members.append(Member(name: "", shape: shape))
                continue
            }
            let member = name()
            let (left, right, shape) = declaration(depth: depth)
            text += "    \(left) \(member)\(right);\n"
            members.append(Member(name: member, shape: shape))
        }
        return (text, members)
    }

    private mutating func declaration(depth: Int) -> (left: String, right: String, Shape) {
        let integers: [(String, Int, Bool)] = [
            ("__u8", 8, false), ("signed char", 8, true), ("__u16", 16, false),
            ("__s16", 16, true), ("__u32", 32, false), ("__s32", 32, true), ("__u64", 64, false),
            ("__s64", 64, true), ("unsigned __int128", 128, false),
        ]
        switch pick(0...(depth > 0 ? 15 : 11)) {
        case 0...4:
            let (name, bits, isSigned) = integers[pick(0...integers.count - 1)]
            let alias = pick(0...3) == 0 ? typedef(of: name) : name
            return (alias, "", .integer(bits: bits, isSigned: isSigned, isBitfield: false))
        case 5: return ("_Bool", "", .bool)
        case 6: return ("void *", "", .pointer)
        case 7:
            let (name, values) = enumeration()
            return ("enum \(name)", "", .enumeration(values))
        case 8, 9:
            let count = pick(2...12)
            return ("char", "[\(count)]", .text(count))
        case 10:
            let count = pick(2...12)
            return ("__u8", "[\(count)]", .bytes(count))
        case 11:
            let (rows, columns) = (pick(1...3), pick(1...3))
            let element = Shape.integer(bits: 32, isSigned: true, isBitfield: false)
            return ("__s32", "[\(rows)][\(columns)]", .array(.array(element, columns), rows))
        case 12, 13:
            let inner = structure(depth: depth - 1)
            return ("struct \(inner.name)", "", inner.shape)
        case 14:
            let (inner, count) = (structure(depth: depth - 1), pick(1...4))
            return ("struct \(inner.name)", "[\(count)]", .array(inner.shape, count))
        default:
            let (body, members) = members(depth: depth - 1, count: pick(1...3), isUnion: true)
            let name = "u_\(self.name())"
            declarations += "union \(name) {\n\(body)};\n"
            return ("union \(name)", "", .union(members))
        }
    }

    /// A chain of two, the second of a const.
    private mutating func typedef(of name: String) -> String {
        let (first, second) = ("t_\(self.name())", "t_\(self.name())")
        declarations += "typedef \(name) \(first);\ntypedef const \(first) \(second);\n"
        return second
    }

    private mutating func enumeration() -> (String, [(name: String, value: Int)]) {
        let name = "e_\(self.name())"
        let values: [(name: String, value: Int)] = [
            ("\(name)_A", -3), ("\(name)_B", 0), ("\(name)_C", 500),
        ]
        let list = values.map { "\($0.name) = \($0.value)" }.joined(separator: ", ")
        declarations += "enum \(name) { \(list) };\n"
        return (name, values)
    }

    /// A value as the API shows it; of a union one member.
    mutating func value(_ shape: Shape) -> JSONValue {
        switch shape {
        case .integer(let bits, let isSigned, _):
            let wide =
                (UInt128(random.next()) << 64 | UInt128(random.next()))
                >> UInt128(128 - pick(1...bits))
            let shift = Int128(128 - bits)
            return isSigned
                ? JSONValue((Int128(truncatingIfNeeded: wide) << shift) >> shift)
                : JSONValue(wide)
        case .bool: return JSONValue(Bool.random(using: &random))
        case .pointer: return "0x0"
        case .enumeration(let values):
            return pick(0...4) == 0 ? 77 : .string(values[pick(0...values.count - 1)].name)
        case .text(let count):
            let letters = Array("abc XYZ\"\\/09")
            let text = (0..<pick(0...count - 1)).map { _ in letters[pick(0...letters.count - 1)] }
            return .string(String(text))
        case .bytes(let count):
            return .string((0..<2 * count).map { _ in String(pick(0...15), radix: 16) }.joined())
        case .array(let element, let count): return .array((0..<count).map { _ in value(element) })
        case .structure(let members):
            var object = JSONObject()
            for member in members {
                let value = value(member.shape)
                guard member.name.isEmpty else {
                    object[member.name] = value
                    continue
                }
                for inner in value.object ?? JSONObject() { object[inner.name] = inner.value }
            }
            return .object(object)
        case .union(let members):
            var object = JSONObject()
            // A member that may itself not be left out when empty: any one does.
            let member = members[pick(0...members.count - 1)]
            object[member.name] = value(member.shape)
            return .object(object)
        }
    }
}
