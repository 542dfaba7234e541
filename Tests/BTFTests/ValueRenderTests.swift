import BTF
import JSON
import Testing

struct ValueRenderTests {
    @Test func `integers of all sizes are exact`() throws {
        var blob = Blob()
        let plan = try blob.plan(
            size: 64,
            [
                .init("a", blob.u8, at: 0), .init("b", blob.s8, at: 1), .init("c", blob.u16, at: 2),
                .init("d", blob.s16, at: 4), .init("e", blob.u32, at: 8),
                .init("f", blob.s32, at: 12),
                .init("g", blob.u64, at: 16), .init("h", blob.s64, at: 24),
                .init("i", blob.u128, at: 32),
                .init("j", blob.s128, at: 48),
            ])
        #expect(
            plan.text([UInt8](repeating: 0xFF, count: 64))
                == #"{"a":255,"b":-1,"c":65535,"d":-1,"e":4294967295,"f":-1,"#
                + #""g":18446744073709551615,"h":-1,"i":\#(UInt128.max),"j":-1}"#)
        #expect(
            plan.text([UInt8](repeating: 0xFF, count: 64), int64: .string)
                == #"{"a":255,"b":-1,"c":65535,"d":-1,"e":4294967295,"f":-1,"#
                + #""g":"18446744073709551615","h":-1,"i":"\#(UInt128.max)","j":-1}"#)
        let low =
            [UInt8](repeating: 0, count: 4) + [0, 0x80, 0, 0] + little(UInt32(7))
            + little(Int32.min)
            + little(UInt64(10_000_000_000)) + little(Int64.min) + little(UInt128(1) << 64)
            + little(Int128.min)
        #expect(
            plan.text(low)
                == #"{"a":0,"b":0,"c":0,"d":-32768,"e":7,"f":-2147483648,"g":10000000000,"#
                + #""h":-9223372036854775808,"i":18446744073709551616,"j":\#(Int128.min)}"#)
        #expect(plan.typeName == "struct s")
        #expect(plan.size == 64)
    }

    @Test func `a single char is a number and a char array is text`() throws {
        var blob = Blob()
        let comm = blob.build.array(of: blob.build.typedef("c_t", blob.char), 8)
        let plan = try blob.plan(size: 9, [.init("c", blob.char, at: 0), .init("t", comm, at: 1)])
        #expect(plan.text([0x61] + padded("bash", 8)) == #"{"c":97,"t":"bash"}"#)
        #expect(plan.text([0xFF] + padded("", 8)) == #"{"c":-1,"t":""}"#)
        #expect(plan.text([0] + Array("12345678".utf8)) == #"{"c":0,"t":"12345678"}"#)
        #expect(plan.text([0] + Array("a\"\\\n\u{1}\0zz".utf8)) == #"{"c":0,"t":"a\"\\\n\u0001"}"#)
        #expect(
            plan.text([0] + [0x61, 0xFF, 0x62, 0xC3, 0, 0, 0, 0])
                == "{\"c\":0,\"t\":\"a\u{FFFD}b\u{FFFD}\"}")
        // A character cut by the array's end.
        #expect(
            plan.text([0] + Array("123456€".utf8.prefix(8))) == "{\"c\":0,\"t\":\"123456\u{FFFD}\"}"
        )
    }

    @Test(arguments: Array(0...40) + [4095, 4096, 4097, 9000])
    func `text of every length ends at its NUL or at its array`(_ size: Int) throws {
        var blob = Blob()
        let text = blob.build.array(of: blob.char, size)
        let plan = try blob.plan(
            size: size + 8, [.init("t", text, at: 0), .init("n", blob.u64, at: size)])
        for length in [0, 1, size / 2, size - 1, size] where length >= 0 && length <= size {
            let word = String(repeating: "x", count: length)
            let bytes = padded(word, size) + [7, 0, 0, 0, 0, 0, 0, 0]
            #expect(plan.text(bytes) == #"{"t":"\#(word)","n":7}"#)
        }
    }

    @Test func `byte arrays are hex`() throws {
        var blob = Blob()
        let mac = blob.build.array(of: blob.u8, 6)
        let long = blob.build.array(of: blob.u8, 5000)
        let signed = blob.build.array(of: blob.s8, 2)
        let plan = try blob.plan(
            size: 5008,
            [.init("mac", mac, at: 0), .init("s", signed, at: 6), .init("l", long, at: 8)])
        let text = plan.text(
            [0x0A, 0x1B, 0, 0xFF, 1, 2, 0xFF, 3] + [UInt8](repeating: 0xAB, count: 5000))
        #expect(
            text == #"{"mac":"0a1b00ff0102","s":[-1,3],"l":""#
                + String(repeating: "ab", count: 5000)
                + "\"}")
    }

    @Test func `enums go by name and unknown values by number`() throws {
        var blob = Blob()
        let state = blob.build.enumeration("state", ["IDLE": 0, "RUN": 1, "ALSO_RUN": 1])
        let signed = blob.build.enumeration("sig", ["NEG": -2, "POS": 3])
        let big = blob.build.enumeration64("big", signed: false, ["TOP": 1 << 63])
        let small = blob.build.enumeration("tiny", size: 1, ["LAST": -1])
        let plan = try blob.plan(
            size: 32,
            [
                .init("a", state, at: 0), .init("b", signed, at: 4), .init("c", big, at: 8),
                .init("d", small, at: 16), .init("e", state, at: 20), .init("f", signed, at: 24),
            ])
        let bytes =
            little(UInt32(1)) + little(Int32(-2)) + little(UInt64(1) << 63) + [0xFF, 0, 0, 0]
            + little(UInt32.max) + little(Int32(-7)) + little(UInt32(0))
        #expect(
            plan.text(bytes)
                == #"{"a":"RUN","b":"NEG","c":"TOP","d":"LAST","e":4294967295,"f":-7}"#)
    }

    @Test func `bool, floats and pointers`() throws {
        var blob = Blob()
        let pointer = blob.build.pointer(to: 0)
        let plan = try blob.plan(
            size: 32,
            [
                .init("t", blob.bool, at: 0), .init("f", blob.bool, at: 1),
                .init("x", blob.float, at: 4),
                .init("y", blob.double, at: 8), .init("p", pointer, at: 16),
                .init("q", pointer, at: 24),
            ])
        let bytes =
            [1, 0, 0, 0] + little(Float(0.1).bitPattern) + little(Double(-2.5).bitPattern)
            + little(UInt64(0xFFFF_8880_0000_1234)) + little(UInt64(0))
        #expect(
            plan.text(bytes)
                == #"{"t":true,"f":false,"x":0.1,"y":-2.5,"p":"0xffff888000001234","q":"0x0"}"#)
        let odd =
            [5, 0, 0, 0] + little(Float.nan.bitPattern) + little((-Double.infinity).bitPattern)
            + little(UInt64(0x10)) + little(UInt64(0xA))
        #expect(
            plan.text(odd)
                == #"{"t":true,"f":false,"x":"NaN","y":"-Infinity","p":"0x10","q":"0xa"}"#)
    }

    @Test func `bitfields of both encodings`() throws {
        var blob = Blob()
        let old = blob.build.int("unsigned int", size: 4, bits: 3)
        let oldSigned = blob.build.int("int", size: 4, encoding: 1, bits: 5)
        let color = blob.build.enumeration("color", ["RED": 0, "BLUE": 2])
        let oldPlan = try blob.plan(
            blob.build.structure(
                "old", size: 4,
                [.init("a", old, bit: 0, bits: 0), .init("b", oldSigned, bit: 3, bits: 0)]))
        #expect(oldPlan.text([0b1111_0101, 0xFF, 0, 0]) == #"{"a":5,"b":-2}"#)
        let plan = try blob.plan(
            size: 24,
            [
                .init("a", blob.u32, bit: 0, bits: 3), .init("b", blob.s32, bit: 3, bits: 5),
                .init("c", color, bit: 8, bits: 2), .init("d", blob.bool, bit: 10, bits: 1),
                .init("e", blob.u64, bit: 64, bits: 63), .init("f", blob.u64, bit: 127, bits: 1),
                .init("g", blob.u16, bit: 131, bits: 9),
            ])
        let bytes: [UInt8] =
            [0b1111_0101, 0b0000_0110, 0, 0, 0, 0, 0, 0] + little(UInt64.max)
            + [0b0000_1000, 0b0000_1000, 0, 0, 0, 0, 0, 0]
        #expect(
            plan.text(bytes)
                == #"{"a":5,"b":-2,"c":"BLUE","d":true,"e":9223372036854775807,"f":1,"g":257}"#)
    }

    @Test func `structs, unions and anonymous members`() throws {
        var blob = Blob()
        let point = blob.build.structure(
            "point", size: 4, [.init("x", blob.u16, at: 0), .init("y", blob.u16, at: 2)])
        let pair = blob.build.structure(
            "", size: 4, [.init("lo", blob.u16, at: 0), .init("hi", blob.u16, at: 2)])
        let either = blob.build.union(
            "", size: 4, [.init("", pair, at: 0), .init("whole", blob.u32, at: 0)])
        let named = blob.build.union(
            "addr", size: 4,
            [.init("v4", blob.u32, at: 0), .init("b", blob.build.array(of: blob.u8, 4), at: 0)])
        let empty = blob.build.structure("nothing", size: 0, [])
        let plan = try blob.plan(
            size: 12,
            [
                .init("p", point, at: 0), .init("", either, at: 4), .init("u", named, at: 8),
                .init("e", empty, at: 12),
            ])
        #expect(
            plan.text([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0, 0])
                == #"{"p":{"x":1,"y":2},"lo":3,"hi":4,"whole":262147,"u":{"v4":5,"b":"05000000"},"e":{}}"#
        )
    }

    @Test func `arrays of all lengths and dimensions`() throws {
        var blob = Blob()
        let grid = blob.build.array(of: blob.build.array(of: blob.u16, 3), 2)
        let names = blob.build.array(of: blob.build.array(of: blob.char, 4), 2)
        let plan = try blob.plan(size: 20, [.init("g", grid, at: 0), .init("n", names, at: 12)])
        #expect(
            plan.text([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0] + padded("ab", 4) + padded("c", 4))
                == #"{"g":[[1,2,3],[4,5,6]],"n":["ab","c"]}"#)
        let item = blob.build.structure(
            "item", size: 8, [.init("k", blob.u32, at: 0), .init("v", blob.u32, at: 4)])
        for count in [0, 1, 2, 7, 8, 9, 100, 20_000] {
            let array = blob.build.array(of: item, count)
            let plan = try blob.plan(
                size: 8 * count + 4,
                [.init("a", array, at: 0), .init("z", blob.u32, at: 8 * count)])
            let bytes = (0..<2 * count).flatMap { little(UInt32($0)) } + little(UInt32(9))
            let items = (0..<count).map { "{\"k\":\(2 * $0),\"v\":\(2 * $0 + 1)}" }.joined(
                separator: ",")
            #expect(plan.text(bytes) == "{\"a\":[\(items)],\"z\":9}")
        }
    }

    @Test func `flexible arrays go to the record's end`() throws {
        var blob = Blob()
        let words = blob.build.array(of: blob.u32, 0)
        let plan = try blob.plan(size: 8, [.init("n", blob.u64, at: 0), .init("w", words, at: 8)])
        let head = little(UInt64(1))
        #expect(plan.isFlexible)
        #expect(plan.size == 8)
        #expect(plan.text(head) == #"{"n":1,"w":[]}"#)
        #expect(
            plan.text(head + little(UInt32(5)) + little(UInt32(6)) + [1, 2, 3])
                == #"{"n":1,"w":[5,6]}"#)
        let text = try blob.plan(
            size: 8,
            [.init("n", blob.u32, at: 0), .init("t", blob.build.array(of: blob.char, 0), at: 4)])
        #expect(
            text.text(little(UInt32(1)) + Array("abcdefgh\0x".utf8)) == #"{"n":1,"t":"abcdefgh"}"#)
        let hex = try blob.plan(
            size: 4,
            [.init("n", blob.u32, at: 0), .init("t", blob.build.array(of: blob.u8, 0), at: 4)])
        #expect(hex.text(little(UInt32(1)) + [1, 0xAB]) == #"{"n":1,"t":"01ab"}"#)
        // In a struct at the end, and as alternatives in a union.
        let inner = blob.build.structure(
            "in", size: 4, [.init("l", blob.u32, at: 0), .init("w", words, at: 4)])
        let outer = try blob.plan(size: 8, [.init("n", blob.u32, at: 0), .init("i", inner, at: 4)])
        #expect(
            outer.text(little(UInt32(1)) + little(UInt32(2)) + little(UInt32(3)))
                == #"{"n":1,"i":{"l":2,"w":[3]}}"#)
        let alternatives = blob.build.union(
            "", size: 0,
            [.init("w", words, at: 0), .init("b", blob.build.array(of: blob.u8, 0), at: 0)])
        let union = try blob.plan(
            size: 4, [.init("n", blob.u32, at: 0), .init("", alternatives, at: 4)])
        #expect(
            union.text(little(UInt32(1)) + little(UInt32(3))) == #"{"n":1,"w":[3],"b":"03000000"}"#)
        // Not at the end: no elements.
        let middle = try blob.plan(
            size: 8, [.init("i", inner, at: 0), .init("n", blob.u32, at: 4)])
        #expect(!middle.isFlexible)
        #expect(
            middle.text(little(UInt32(1)) + little(UInt32(2))) == #"{"i":{"l":1,"w":[]},"n":2}"#)
    }

    @Test func `what belongs to the kernel is shown as such`() throws {
        var blob = Blob()
        let lock = blob.build.structure("bpf_spin_lock", size: 4, [.init("val", blob.u32, at: 0)])
        let timer = blob.build.structure(
            "bpf_timer", size: 16, [.init("__opaque", blob.build.array(of: blob.u64, 2), at: 0)])
        let task = blob.build.forward("task_struct")
        let kptr = blob.build.pointer(to: blob.build.typeTag("kptr", task))
        let user = blob.build.pointer(to: blob.build.typeTag("user", task))
        let plan = try blob.plan(
            size: 40,
            [
                .init("l", lock, at: 0), .init("t", timer, at: 8), .init("k", kptr, at: 24),
                .init("u", user, at: 32),
            ])
        #expect(
            plan.text([UInt8](repeating: 0, count: 40))
                == #"{"l":"bpf_spin_lock","t":"bpf_timer","k":"kptr","u":"0x0"}"#)
    }

    @Test func `a section is an object of its variables`() throws {
        var blob = Blob()
        let (a, b) = (blob.build.variable("pid", blob.u32), blob.build.variable("on", blob.bool))
        let again = blob.build.variable("pid", blob.u32)
        let section = blob.build.section(".bss", size: 12, [(b, 8, 1), (a, 0, 4), (again, 4, 4)])
        let plan = try blob.plan(section)
        #expect(
            plan.text(little(UInt32(7)) + little(UInt32(8)) + [1, 0, 0, 0])
                == #"{"pid":7,"pid.2":8,"on":true}"#)
        #expect(try blob.plan(a).text(little(UInt32(7))) == "7")
    }

    @Test func `without BTF there are numbers and hex`() throws {
        #expect(ValuePlan(untyped: 1).text([200]) == "200")
        #expect(ValuePlan(untyped: 2).text([1, 2]) == "513")
        #expect(ValuePlan(untyped: 4).text([255, 255, 255, 255]) == "4294967295")
        #expect(ValuePlan(untyped: 8).text(little(UInt64.max)) == "18446744073709551615")
        #expect(
            ValuePlan(untyped: 8).text(little(UInt64.max), int64: .string)
                == "\"18446744073709551615\"")
        #expect(ValuePlan(untyped: 3).text([1, 2, 0xFF]) == "\"hex:0102ff\"")
        #expect(ValuePlan(untyped: 0).text([]) == "\"hex:\"")
        #expect(ValuePlan(untyped: 3).typeName == "3 bytes")
    }

    @Test func `a text of its own that would mislead is shown as bytes`() throws {
        var blob = Blob()
        let plan = try blob.plan(blob.build.array(of: blob.char, 8))
        #expect(plan.text(padded("abc", 8)) == "\"abc\"")
        for bytes in [padded("hex:ab", 8), padded("", 7) + [1], [0xFF, 0, 0, 0, 0, 0, 0, 0]] {
            let text = plan.text(bytes)
            #expect(text.hasPrefix("\"hex:"))
            #expect(try plan.bytes(text) == bytes)
        }
    }

    @Test func `the text is appended behind what is there`() throws {
        var blob = Blob()
        let plan = try blob.plan(blob.u32)
        var json = JSONWriter(capacity: 1)
        json.object { json in
            for index in 0..<100 {
                json.member("m\(index)") { plan.render(little(UInt32(index)).span, into: &$0) }
            }
        }
        let value = try JSONValue.parse(json.bytes().span)
        #expect(value.object?.members.map(\.value.int) == (0..<100).map { Int?($0) })
    }
}
