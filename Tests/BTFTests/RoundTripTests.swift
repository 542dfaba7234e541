import BTF
import JSON
import Testing

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Makes types, and JSON values that such types have, as the renderer writes them.
struct TypeGenerator {
    indirect enum Shape {
        case integer(bits: Int, isSigned: Bool)
        case bool, float, double, pointer
        case enumeration(names: [String], isSigned: Bool)
        case text(Int), bytes(Int)
        case array(Shape, Int)
        case structure([(name: String, shape: Shape)])
        case union([(name: String, shape: Shape)])
    }

    var random: SeededGenerator
    var blob = Blob()
    private var names = 0

    init(_ seed: UInt64) { random = SeededGenerator(seed) }

    private mutating func name() -> String {
        names += 1
        return "m\(names)"
    }

    private mutating func pick(_ range: ClosedRange<Int>) -> Int {
        .random(in: range, using: &random)
    }

    /// A type, its bytes, and what values it has.
    mutating func type(depth: Int) -> (id: BTFTypes.ID, size: Int, shape: Shape) {
        let made = bare(depth: depth)
        switch pick(0...9) {
        case 0: return (blob.build.typedef("alias\(names)", made.id), made.size, made.shape)
        case 1: return (blob.build.const(made.id), made.size, made.shape)
        case 2:
            return (blob.build.volatile(blob.build.typeTag("t", made.id)), made.size, made.shape)
        default: return made
        }
    }

    private mutating func bare(depth: Int) -> (id: BTFTypes.ID, size: Int, shape: Shape) {
        switch pick(0...(depth > 0 ? 19 : 15)) {
        case 0: return (blob.u8, 1, .integer(bits: 8, isSigned: false))
        case 1: return (blob.s8, 1, .integer(bits: 8, isSigned: true))
        case 2: return (blob.u16, 2, .integer(bits: 16, isSigned: false))
        case 3: return (blob.s16, 2, .integer(bits: 16, isSigned: true))
        case 4: return (blob.u32, 4, .integer(bits: 32, isSigned: false))
        case 5: return (blob.s32, 4, .integer(bits: 32, isSigned: true))
        case 6: return (blob.u64, 8, .integer(bits: 64, isSigned: false))
        case 7: return (blob.s64, 8, .integer(bits: 64, isSigned: true))
        case 8: return (blob.u128, 16, .integer(bits: 128, isSigned: false))
        case 9: return (blob.s128, 16, .integer(bits: 128, isSigned: true))
        case 10: return (blob.bool, 1, .bool)
        case 11:
            return Bool.random(using: &random) ? (blob.float, 4, .float) : (blob.double, 8, .double)
        case 12: return (blob.build.pointer(to: 0), 8, .pointer)
        case 13:
            let signed = blob.build.enumeration("e\(names)", ["MINUS": -7, "ZERO": 0, "TOP": 500])
            return (signed, 4, .enumeration(names: ["MINUS", "ZERO", "TOP"], isSigned: true))
        case 14:
            let count = pick(0...20)
            return (blob.build.array(of: blob.char, count), count, .text(count))
        case 15:
            let count = pick(0...20)
            return (blob.build.array(of: blob.u8, count), count, .bytes(count))
        case 16:
            let element = type(depth: depth - 1)
            let count = pick(0...12)
            guard !isByte(element.shape) else { return element }
            return (
                blob.build.array(of: element.id, count), element.size * count,
                .array(element.shape, count)
            )
        case 17: return union(depth: depth, name: "u\(names)")
        default: return structure(depth: depth, name: "s\(names)")
        }
    }

    /// Arrays of these are text or hex, which other cases make.
    private func isByte(_ shape: Shape) -> Bool {
        if case .integer(bits: 8, isSigned: false) = shape { true } else { false }
    }

    private mutating func structure(depth: Int, name: String) -> (
        id: BTFTypes.ID, size: Int, shape: Shape
    ) {
        var members: [BTFBuilder.Member] = []
        var shapes: [(String, Shape)] = []
        var bit = 0
        let hasBitfields = Bool.random(using: &random)
        for _ in 0..<pick(0...6) {
            if hasBitfields, pick(0...2) == 0 {
                let (bits, isSigned) = (pick(1...32), Bool.random(using: &random))
                let member = self.name()
                members.append(.init(member, isSigned ? blob.s32 : blob.u32, bit: bit, bits: bits))
                shapes.append((member, .integer(bits: bits, isSigned: isSigned)))
                bit += bits
                continue
            }
            bit = (bit + 7) / 8 * 8 + 8 * pick(0...2)
            let isAnonymous = depth > 1 && pick(0...5) == 0
            let made = isAnonymous ? structure(depth: depth - 1, name: "") : type(depth: depth - 1)
            let member = isAnonymous ? "" : self.name()
            members.append(.init(member, made.id, at: bit / 8))
            if case .structure(let inner) = made.shape, isAnonymous {
                shapes += inner
            } else {
                shapes.append((member, made.shape))
            }
            bit += 8 * made.size
        }
        let size = (bit + 7) / 8 + pick(0...3)
        return (blob.build.structure(name, size: size, members), size, .structure(shapes))
    }

    private mutating func union(depth: Int, name: String) -> (
        id: BTFTypes.ID, size: Int, shape: Shape
    ) {
        var members: [BTFBuilder.Member] = []
        var shapes: [(String, Shape)] = []
        var size = 0
        for _ in 0..<pick(1...3) {
            let made = type(depth: depth - 1)
            let member = self.name()
            members.append(.init(member, made.id, at: 0))
            shapes.append((member, made.shape))
            size = max(size, made.size)
        }
        return (blob.build.union(name, size: size, members), size, .union(shapes))
    }

    /// A value of the shape, spelled as the renderer spells it.
    mutating func value(_ shape: Shape) -> JSONValue {
        switch shape {
        case .integer(let bits, let isSigned):
            let wide = UInt128(random.next()) << 64 | UInt128(random.next())
            let size = pick(1...bits)
            let value = wide >> UInt128(128 - size)
            if isSigned {
                return JSONValue(
                    (Int128(truncatingIfNeeded: value) << (128 - bits)) >> (128 - bits))
            }
            return JSONValue(value)
        case .bool: return JSONValue(Bool.random(using: &random))
        case .float: return .number(JSONNumber(text: Float(pick(-1000...1000)).description))
        case .double: return JSONValue(Double(pick(-1000...1000)) / 7)
        case .pointer: return "0x0"
        case .enumeration(let names, _):
            return pick(0...3) == 0
                ? JSONValue(1000 + pick(0...9)) : .string(names[pick(0...names.count - 1)])
        case .text(let count): return .string(text(count))
        case .bytes(let count):
            return .string((0..<2 * count).map { _ in String(pick(0...15), radix: 16) }.joined())
        case .array(let element, let count): return .array((0..<count).map { _ in value(element) })
        case .structure(let members):
            var object = JSONObject()
            for member in members { object[member.name] = value(member.shape) }
            return .object(object)
        case .union(let members):
            let member = members[pick(0...members.count - 1)]
            return .object(
                [member.name: value(member.shape)].reduce(into: JSONObject()) {
                    $0[$1.key] = $1.value
                })
        }
    }

    private mutating func text(_ count: Int) -> String {
        var result = ""
        let alphabet = ["a", "Z", " ", "\"", "\\", "\n", "\u{1}", "é", "€", "😀", "/", "x"]
        for _ in 0..<pick(0...count) {
            let next = alphabet[pick(0...alphabet.count - 1)]
            if result.utf8.count + next.utf8.count <= count { result += next }
        }
        return result
    }
}

struct RoundTripTests {
    @Test(arguments: 0..<40)
    func `JSON to bytes to JSON is the same, for generated types and values`(_ seed: Int) throws {
        var generator = TypeGenerator(UInt64(seed))
        for _ in 0..<20 {
            let made = generator.type(depth: 4)
            let plan = try generator.blob.plan(made.id)
            #expect(plan.size == made.size)
            for _ in 0..<5 {
                let value = generator.value(made.shape)
                let bytes = try plan.encode(value)
                #expect(bytes.count == made.size)
                let shown = try JSONValue.parse(plan.text(bytes))
                #expect(matches(value, shown), "\(plan.typeName)")
                let quoted = try JSONValue.parse(plan.text(bytes, int64: .string))
                if !hasUnion(made.shape) {
                    #expect(try plan.encode(shown) == bytes)
                    #expect(try plan.encode(quoted) == bytes)
                }
            }
        }
    }

    /// Whether what was given is shown again; a union shows its other members too.
    private func matches(_ given: JSONValue, _ shown: JSONValue) -> Bool {
        switch (given, shown) {
        case (.object(let given), .object(let shown)):
            given.allSatisfy { member in
                shown[member.name].map { matches(member.value, $0) } ?? false
            }
        case (.array(let given), .array(let shown)):
            given.count == shown.count && zip(given, shown).allSatisfy { matches($0, $1) }
        default: given == shown
        }
    }

    private func hasUnion(_ shape: TypeGenerator.Shape) -> Bool {
        contains(shape) { if case .union = $0 { true } else { false } }
    }

    private func contains(_ shape: TypeGenerator.Shape, _ wanted: (TypeGenerator.Shape) -> Bool)
        -> Bool
    {
        if wanted(shape) { return true }
        switch shape {
        case .array(let element, _): return contains(element, wanted)
        case .structure(let members), .union(let members):
            return members.contains { contains($0.shape, wanted) }
        default: return false
        }
    }

    @Test func `whatever bytes a value has, its JSON is sound`() throws {
        for seed in 100..<160 {
            var generator = TypeGenerator(UInt64(seed))
            let made = generator.type(depth: 4)
            let plan = try generator.blob.plan(made.id)
            for _ in 0..<20 {
                let bytes = (0..<made.size).map { _ in
                    UInt8.random(in: 0...255, using: &generator.random)
                }
                let value = try JSONValue.parse(plan.text(bytes))
                if !hasUnion(made.shape) { _ = try? plan.encode(value) }  // pointers are refused
            }
        }
    }

    @Test func `whatever bytes a key has, it comes back the same`() throws {
        var typed = 0
        for seed in 200..<260 {
            var generator = TypeGenerator(UInt64(seed))
            let made = generator.type(depth: 3)
            let plan = try generator.blob.plan(made.id)
            let zero = [UInt8](repeating: 0, count: made.size)
            var keys = [zero, [UInt8](repeating: 0xFF, count: made.size)]
            keys.append(try plan.encode(generator.value(made.shape)))
            for index in zero.indices {
                var key = zero
                key[index] = UInt8.random(in: 1...255, using: &generator.random)
                keys.append(key)
            }
            for key in keys {
                var json = JSONWriter()
                plan.renderKey(key.span, into: &json)
                let shown = try JSONValue.parse(json.bytes().span)
                #expect(try plan.encode(shown) == key)
                if shown.string?.hasPrefix("hex:") != true { typed += 1 }
            }
        }
        #expect(typed > 300)
    }

    @Test func `no mutation of a blob makes parser, plan or renderer trap`() throws {
        var generator = TypeGenerator(7)
        for _ in 0..<12 { _ = generator.type(depth: 3) }
        let whole = generator.blob.build.bytes
        var random = SeededGenerator(8)
        var (parsed, planned) = (0, 0)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                // Most mutations hit the types, whose words stand behind the header.
                let index = Int.random(
                    in: Int.random(in: 0...9, using: &random) == 0 ? 0..<24 : 24..<bytes.count,
                    using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
                default: bytes[index] = bytes[Int.random(in: bytes.indices, using: &random)]
                }
            }
            if Int.random(in: 0..<50, using: &random) == 0 {
                bytes.removeLast(Int.random(in: 0..<64, using: &random))
            }
            let types: BTFTypes
            do throws(BTFError) { types = try BTFTypes(parsing: bytes) } catch { continue }
            parsed += 1
            for _ in 0..<4 {
                let id = BTFTypes.ID.random(in: 0...UInt32(types.count), using: &random)
                _ = (
                    types.spelling(of: id), types.size(of: id), types.members(of: id),
                    types.enumerators(of: id)
                )
                _ = (
                    types.declarationTags(on: id), types.variables(in: id), types.prototype(of: id),
                    types.array(of: id)
                )
                _ = types.find(types.name(of: id), types.kind(of: id))
                let plan: ValuePlan
                do throws(BTFError) { plan = try ValuePlan(types, type: id) } catch { continue }
                planned += 1
                guard plan.size <= 1 << 16 else { continue }
                let count = plan.size + Int.random(in: 0...9, using: &random)
                let record = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                var json = JSONWriter()
                plan.render(record.span, into: &json)
                _ = plan.members.map { plan.integer($0, in: record.span) }
                _ = try? plan.encode(["m1": 1, "m2": "x", "m3": [1]])  // a refusal is as good
            }
        }
        #expect(parsed > 5000)
        #expect(planned > 5000)
    }
}
