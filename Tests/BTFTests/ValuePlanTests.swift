import BTF
import JSON
import Testing

struct ValuePlanTests {
    private func reason(_ blob: BTFBuilder, _ type: BTFTypes.ID) throws -> String? {
        let types = try blob.types()
        do throws(BTFError) {
            _ = try ValuePlan(types, type: type)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func `what has no values has no plan`() throws {
        var blob = BTFBuilder()
        let prototype = blob.prototype(result: 0, [])
        let ids = [0, prototype, blob.function("f", prototype), blob.forward("later"), 77]
        for id in ids { #expect(try reason(blob, id) != nil) }
        #expect(try reason(blob, 0) == "void has no values")
        #expect(try reason(blob, ids[3]) == "struct later has no values")
    }

    @Test func `members outside their struct are refused`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let late = blob.structure("late", size: 4, [.init("a", int, at: 1)])
        let crooked = blob.structure("crooked", size: 8, [.init("a", int, bit: 3, bits: 0)])
        let wide = blob.structure("wide", size: 4, [.init("a", int, bit: 20, bits: 13)])
        let twins = blob.structure(
            "twins", size: 8, [.init("a", int, at: 0), .init("a", int, at: 4)])
        let odd = blob.int("odd", size: 3)
        #expect(try reason(blob, late) == "a of struct late ends at byte 5 of 4")
        #expect(try reason(blob, crooked) == "a of struct crooked starts at bit 3")
        #expect(try reason(blob, wide) == "the bitfield a of struct wide has 13 bits at bit 20")
        #expect(try reason(blob, twins) == "struct twins has two members named a")
        #expect(try reason(blob, odd) == "odd is an integer of an unknown size")
    }

    @Test func `a struct that contains itself is refused`() throws {
        var blob = BTFBuilder()
        let own = blob.structure("own", size: 8, [.init("a", 1, at: 0)])
        let anonymous = blob.structure("outer", size: 8, [.init("", 2, at: 0)])
        #expect(try reason(blob, own) == "struct own contains itself")
        #expect(try reason(blob, anonymous)?.contains("nested deeper") == true)
        // By a pointer it may.
        var list = BTFBuilder()
        let node = list.structure("node", size: 8, [.init("next", 2, at: 0)])
        _ = list.pointer(to: node)
        #expect(try reason(list, node) == nil)
    }

    @Test func `absurd sizes and endless unfolding are refused, soon`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let huge = blob.array(of: int, 1 << 30)
        #expect(try reason(blob, huge)?.contains("larger than") == true)
        // Unions of two of the one before: 2^40 members in a few bytes.
        var union = int
        for _ in 0..<40 {
            union = blob.union("u", size: 4, [.init("a", union, at: 0), .init("b", union, at: 0)])
        }
        #expect(try reason(blob, union) != nil)
        var anonymous = int
        for depth in 0..<30 {
            anonymous = blob.union(
                "", size: 4,
                [.init(depth == 0 ? "x" : "", anonymous, at: 0), .init("", anonymous, at: 0)])
        }
        #expect(try reason(blob, anonymous) != nil)
        // Arrays of nothing.
        var nothing = blob.structure("nothing", size: 0, [])
        for _ in 0..<5 { nothing = blob.array(of: nothing, 1 << 20) }
        #expect(try reason(blob, nothing) != nil)
    }

    @Test func `elements that take no bytes are few`() throws {
        var blob = BTFBuilder()
        let nothing = blob.structure("nothing", size: 0, [])
        let few = blob.array(of: nothing, 1024)
        let many = blob.array(of: nothing, 1_000_000)
        let outer = blob.structure("outer", size: 4, [.init("a", many, at: 0)])
        #expect(try reason(blob, few) == nil)
        #expect(try reason(blob, many) == "struct nothing[1000000] has 1000000 elements of no size")
        #expect(try reason(blob, outer) != nil)
    }

    @Test func `top-level members are listed and read`() throws {
        var blob = Blob()
        let state = blob.build.enumeration("state", ["A": 1, "B": -1])
        let inner = blob.build.structure("", size: 4, [.init("uid", blob.u32, at: 0)])
        let plan = try blob.plan(
            size: 40,
            [
                .init("ts", blob.u64, at: 0), .init("pid", blob.s32, at: 8),
                .init("", inner, at: 12),
                .init("state", state, at: 16),
                .init("comm", blob.build.array(of: blob.char, 4), at: 20),
                .init("wide", blob.s128, at: 24),
            ])
        #expect(plan.members.map(\.name) == ["ts", "pid", "uid", "state", "comm", "wide"])
        #expect(plan.members.map(\.offset) == [0, 8, 12, 16, 20, 24])
        #expect(plan.members.map(\.size) == [8, 4, 4, 4, 4, 16])
        #expect(plan.members.map(\.isSigned) == [false, true, false, true, false, true])
        #expect(
            plan.members.map(\.kind) == [
                .integer, .integer, .integer, .enumeration, .text, .integer,
            ])
        #expect(
            plan.members.map(\.typeName) == [
                "__u64", "int", "__u32", "enum state", "char[4]", "__int128",
            ])
        let record =
            little(UInt64.max) + little(Int32(-5)) + little(UInt32(1000)) + little(Int32(-1))
            + padded("x", 4) + little(Int128.min)
        let values = plan.members.map { plan.integer($0, in: record.span) }
        #expect(values == [Int128(UInt64.max), -5, 1000, -1, nil, Int128.min])
        let member = try #require(plan.member(named: "state"))
        #expect(plan.isKnown(-1, of: member))
        #expect(!plan.isKnown(2, of: member))
        #expect(plan.member(named: "nope") == nil)
        #expect(try blob.plan(blob.u32).members.isEmpty)
        let bits = try blob.plan(
            size: 4,
            [.init("a", blob.s32, bit: 3, bits: 5), .init("b", blob.bool, bit: 8, bits: 1)])
        #expect(
            bits.members.map { bits.integer($0, in: ([0b1111_0000, 1, 0, 0] as [UInt8]).span) } == [
                -2, 1,
            ])
    }

    @Test func `a key that would not come back the same is shown as bytes`() throws {
        var blob = Blob()
        let name = blob.build.array(of: blob.char, 4)
        let plan = try blob.plan(
            size: 12,
            [.init("n", name, at: 0), .init("on", blob.bool, at: 4), .init("a", blob.u32, at: 8)])
        func key(_ bytes: [UInt8]) -> String {
            var json = JSONWriter()
            plan.renderKey(bytes.span, into: &json)
            return String(decoding: json.bytes(), as: UTF8.self)
        }
        let plain: [UInt8] = [0x61, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0]
        #expect(key(plain) == #"{"n":"a","on":true,"a":9}"#)
        // Behind the text's NUL, not UTF-8, no bool, padding.
        for (index, byte) in [(2, UInt8(1)), (0, 0xFF), (4, 2), (5, 1)] {
            var odd = plain
            odd[index] = byte
            #expect(key(odd).hasPrefix("\"hex:"))
            let isExact = plan.isExact(odd.span)
            #expect(!isExact)
        }
    }

    @Test func `an enum's number is shown by a name only where the name comes back as it`() throws {
        var blob = Blob()
        let small = blob.build.enumeration("small", ["A": 1, "A": 2, "hex:": 3, "B": 4])
        let wide = blob.build.enumeration64(
            "wide", size: 4, signed: false, ["FAR": 0x1_0000_0007, "NEAR": 8])
        func shown(_ plan: ValuePlan, _ number: UInt32) throws -> String {
            var json = JSONWriter()
            let bytes = little(number)
            plan.renderKey(bytes.span, into: &json)
            let text = json.bytes()
            #expect(try plan.encode(JSONValue.parse(text.span)) == bytes)
            return String(decoding: text, as: UTF8.self)
        }
        let plan = try blob.plan(small)
        #expect(try (1...5).map { try shown(plan, $0) } == ["\"A\"", "2", "3", "\"B\"", "5"])
        let other = try blob.plan(wide)
        #expect(try [7, 8].map { try shown(other, $0) } == ["7", "\"NEAR\""])
    }
}
