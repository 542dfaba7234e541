import BTF
import JSON
import Testing

struct ValueEncodeTests {
    @Test func `integers are written little-endian and exactly`() throws {
        var blob = Blob()
        let plan = try blob.plan(
            size: 48,
            [
                .init("a", blob.u8, at: 0), .init("b", blob.s16, at: 2),
                .init("c", blob.s32, at: 4),
                .init("d", blob.u64, at: 8), .init("e", blob.u128, at: 16),
                .init("f", blob.s128, at: 32),
            ])
        let bytes = try plan.bytes(
            #"{"a":255,"b":-2,"c":-2147483648,"d":18446744073709551615,"e":\#(UInt128.max),"f":\#(Int128.min)}"#
        )
        #expect(
            bytes == [255, 0] + little(Int16(-2)) + little(Int32.min) + little(UInt64.max)
                + little(UInt128.max) + little(Int128.min))
        #expect(
            try plan.bytes(#"{"d":"18446744073709551615","f":"-1"}"#)[8..<16]
                == [UInt8](repeating: 255, count: 8)[...])
        #expect(try plan.bytes("{}") == [UInt8](repeating: 0, count: 48))
    }

    @Test(arguments: [
        ("300", "/a: 300 is outside the range of __u8 (0 to 255)"),
        ("-1", "/a: -1 is outside the range of __u8 (0 to 255)"),
        ("1.0", "/a: 1.0 is not an integer, __u8 takes 0 to 255"),
        ("1e2", "/a: 1e2 is not an integer, __u8 takes 0 to 255"),
        ("\"1\"", "/a: an integer for __u8 (0 to 255) is wanted, not a string"),
        ("null", "/a: an integer for __u8 (0 to 255) is wanted, not null"),
        ("[1]", "/a: an integer for __u8 (0 to 255) is wanted, not an array"),
        (
            "999999999999999999999999999999999999999999",
            "/a: 999999999999999999999999999999999999999999 is outside the range of __u8 (0 to 255)"
        ),
    ])
    func `what does not fit an integer is refused with type and range`(
        _ value: String, _ message: String
    )
        throws
    {
        var blob = Blob()
        let plan = try blob.plan(size: 1, [.init("a", blob.u8, at: 0)])
        #expect(try plan.refusal("{\"a\":\(value)}") == message)
    }

    @Test func `the edges of every integer are taken and no more`() throws {
        var blob = Blob()
        let types: [(BTFTypes.ID, Int, Bool)] = [
            (blob.u8, 8, false), (blob.s8, 8, true), (blob.u16, 16, false), (blob.s16, 16, true),
            (blob.u32, 32, false), (blob.s32, 32, true), (blob.u64, 64, false),
            (blob.s64, 64, true),
        ]
        for (type, bits, isSigned) in types {
            let plan = try blob.plan(type)
            let highest = isSigned ? Int128(1) << (bits - 1) - 1 : Int128(1) << bits - 1
            let lowest = isSigned ? -highest - 1 : 0
            #expect(plan.text(try plan.bytes("\(highest)")) == "\(highest)")
            #expect(plan.text(try plan.bytes("\(lowest)")) == "\(lowest)")
            #expect(
                try plan.refusal("\(highest + 1)")?.contains("(\(lowest) to \(highest))") == true)
            #expect(try plan.refusal("\(lowest - 1)") != nil)
        }
        let wide = try blob.plan(blob.u128)
        #expect(try wide.refusal("\(UInt128.max)0") != nil)
        #expect(try wide.refusal("-1")?.contains("unsigned __int128 (0 to \(UInt128.max))") == true)
        let signed = try blob.plan(blob.s128)
        #expect(try signed.refusal("170141183460469231731687303715884105728") != nil)
        #expect(try signed.refusal("-170141183460469231731687303715884105729") != nil)
    }

    @Test func `bools are true or false`() throws {
        var blob = Blob()
        let plan = try blob.plan(blob.bool)
        #expect(try plan.bytes("true") == [1])
        #expect(try plan.bytes("false") == [0])
        #expect(try plan.refusal("1") == ": true or false for _Bool is wanted, not a number")
    }

    @Test func `enums take names and numbers`() throws {
        var blob = Blob()
        let state = blob.build.enumeration("state", ["IDLE": 0, "RUN": 1, "AGAIN": 1])
        let signed = blob.build.enumeration("sig", ["NEG": -2])
        let big = blob.build.enumeration64("big", signed: false, ["TOP": 1 << 63])
        let plan = try blob.plan(state)
        #expect(try plan.bytes("\"RUN\"") == [1, 0, 0, 0])
        #expect(try plan.bytes("\"AGAIN\"") == [1, 0, 0, 0])
        #expect(try plan.bytes("77") == [77, 0, 0, 0])
        #expect(
            try plan.refusal("\"WALK\"")
                == ": enum state has no \"WALK\": it has IDLE, RUN, AGAIN; a number (0 to 4294967295) is taken too"
        )
        #expect(try plan.refusal("-1") != nil)
        #expect(try blob.plan(signed).bytes("\"NEG\"") == little(Int32(-2)))
        #expect(try blob.plan(signed).bytes("-3") == little(Int32(-3)))
        #expect(try blob.plan(big).bytes("\"TOP\"") == little(UInt64(1) << 63))
    }

    @Test func `text fills its array, with or without NUL`() throws {
        var blob = Blob()
        let type = blob.build.array(of: blob.char, 4)
        let plan = try blob.plan(size: 4, [.init("t", type, at: 0)])
        #expect(try plan.bytes(#"{"t":"ab"}"#) == [0x61, 0x62, 0, 0])
        #expect(try plan.bytes(#"{"t":"abcd"}"#) == [0x61, 0x62, 0x63, 0x64])
        #expect(try plan.refusal(#"{"t":"abcde"}"#) == "/t: a text of 5 bytes, char[4] takes 4")
        #expect(try plan.refusal(#"{"t":"€€"}"#) == "/t: a text of 6 bytes, char[4] takes 4")
        #expect(try plan.refusal(#"{"t":"a\u0000b"}"#) == "/t: a text with a NUL in it for char[4]")
        #expect(try plan.refusal(#"{"t":5}"#) == "/t: a string for char[4] is wanted, not a number")
    }

    @Test func `byte arrays take exactly their hex`() throws {
        var blob = Blob()
        let type = blob.build.array(of: blob.u8, 3)
        let plan = try blob.plan(size: 3, [.init("m", type, at: 0)])
        #expect(try plan.bytes(#"{"m":"0aFF10"}"#) == [0x0A, 0xFF, 0x10])
        #expect(try plan.refusal(#"{"m":"0aFF"}"#) == "/m: hex of 2 bytes, __u8[3] takes 3")
        #expect(
            try plan.refusal(#"{"m":"0aFF1"}"#)
                == "/m: hex text of 5 digits for __u8[3]: two a byte")
        #expect(try plan.refusal(#"{"m":"0a:F10"}"#)?.contains("no hex digit") == true)
        #expect(
            try plan.refusal(#"{"m":[1,2,3]}"#)
                == "/m: hex text for __u8[3] is wanted, not an array")
    }

    @Test func `a whole value may be given as bytes`() throws {
        var blob = Blob()
        let plan = try blob.plan(size: 3, [.init("a", blob.u8, at: 0)])
        #expect(try plan.bytes("\"hex:01020A\"") == [1, 2, 10])
        #expect(try plan.refusal("\"hex:0102\"") == ": hex of 2 bytes, struct s takes 3")
        #expect(try plan.refusal("\"hex:01020304\"") == ": hex of 4 bytes, struct s takes 3")
        #expect(try plan.refusal("\"hex:0\"") != nil)
        #expect(try plan.refusal("\"0102\"") == ": an object for struct s is wanted, not a string")
        let number = try blob.plan(blob.u64)
        #expect(try number.bytes("\"hex:0100000000000000\"") == little(UInt64(1)))
        // Only at the root.
        let nested = try blob.plan(size: 1, [.init("a", blob.u8, at: 0)])
        #expect(try nested.refusal(#"{"a":"hex:01"}"#) != nil)
        let tail = try blob.plan(
            size: 4,
            [.init("n", blob.u32, at: 0), .init("w", blob.build.array(of: blob.u16, 0), at: 4)])
        #expect(try tail.encode("hex:0102030405", maximumSize: 8).count == 5)
        #expect(throws: ValueError.self) { try tail.encode("hex:0102030405") }
    }

    @Test func `without BTF numbers and hex are taken`() throws {
        #expect(try ValuePlan(untyped: 4).bytes("258") == [2, 1, 0, 0])
        #expect(
            try ValuePlan(untyped: 8).bytes("\"18446744073709551615\"")
                == [UInt8](repeating: 255, count: 8))
        #expect(try ValuePlan(untyped: 4).bytes("\"hex:01020304\"") == [1, 2, 3, 4])
        #expect(
            try ValuePlan(untyped: 4).refusal("4294967296")
                == ": 4294967296 is outside the range of 4 bytes (0 to 4294967295)")
        #expect(
            try ValuePlan(untyped: 4).refusal("\"hex:01\"") == ": hex of 1 bytes, 4 bytes takes 4")
        #expect(try ValuePlan(untyped: 3).bytes("\"hex:010203\"") == [1, 2, 3])
        #expect(
            try ValuePlan(untyped: 3).refusal("5")
                == ": \"hex:…\" of 3 bytes is wanted, not a number")
    }

    @Test func `unknown members and wrong kinds are refused with their place`() throws {
        var blob = Blob()
        let point = blob.build.structure(
            "point", size: 2, [.init("x", blob.u8, at: 0), .init("y", blob.u8, at: 1)])
        let points = blob.build.array(of: point, 2)
        let plan = try blob.plan(size: 4, [.init("p", points, at: 0)])
        #expect(try plan.bytes(#"{"p":[{"x":1},{"y":2}]}"#) == [1, 0, 0, 2])
        #expect(
            try plan.refusal(#"{"p":[{"x":1},{"z":2}]}"#)
                == "/p/1/z: struct point has no member \"z\"")
        #expect(try plan.refusal(#"{"p":[{"x":1}]}"#) == "/p: 1 elements, struct point[2] takes 2")
        #expect(
            try plan.refusal(#"{"p":{}}"#)
                == "/p: an array for struct point[2] is wanted, not an object")
        #expect(
            try plan.refusal(#"{"p":[{"x":1},[]]}"#)
                == "/p/1: an object for struct point is wanted, not an array")
        #expect(try plan.refusal("5") == ": an object for struct s is wanted, not a number")
        let value = try JSONValue.parse(#"{"p":[1,2]}"#)
        do throws(ValueError) {
            _ = try plan.encode(value, at: .root.appending("value"))
            Issue.record("taken")
        } catch {
            #expect(error.pointer.description == "/value/p/0")
        }
    }

    @Test func `of a union exactly one member is given`() throws {
        var blob = Blob()
        let union = blob.build.union(
            "addr", size: 4,
            [.init("v4", blob.u32, at: 0), .init("b", blob.build.array(of: blob.u8, 2), at: 0)])
        let plan = try blob.plan(size: 4, [.init("u", union, at: 0)])
        #expect(try plan.bytes(#"{"u":{"v4":5}}"#) == [5, 0, 0, 0])
        #expect(try plan.bytes(#"{"u":{"b":"0102"}}"#) == [1, 2, 0, 0])
        #expect(try plan.bytes("{}") == [0, 0, 0, 0])
        #expect(
            try plan.refusal(#"{"u":{"v4":5,"b":"0102"}}"#)
                == "/u/b: v4 and b lie in one union of union addr: give one of them")
        #expect(
            try plan.refusal(#"{"u":{}}"#)
                == "/u: exactly one member of union addr is wanted: v4, b")
    }

    @Test func `members of anonymous structs and unions stand in their parent`() throws {
        var blob = Blob()
        let pair = blob.build.structure(
            "", size: 4, [.init("lo", blob.u16, at: 0), .init("hi", blob.u16, at: 2)])
        let either = blob.build.union(
            "", size: 4, [.init("", pair, at: 0), .init("whole", blob.u32, at: 0)])
        let plan = try blob.plan(size: 8, [.init("n", blob.u32, at: 0), .init("", either, at: 4)])
        #expect(try plan.bytes(#"{"n":1,"lo":2,"hi":3}"#) == [1, 0, 0, 0, 2, 0, 3, 0])
        #expect(try plan.bytes(#"{"whole":513}"#) == [0, 0, 0, 0, 1, 2, 0, 0])
        #expect(try plan.bytes(#"{"n":1}"#) == [1, 0, 0, 0, 0, 0, 0, 0])
        #expect(
            try plan.refusal(#"{"lo":2,"whole":3}"#)?.contains("lo and whole lie in one union")
                == true)
        #expect(try plan.refusal(#"{"whole":3,"hi":2}"#)?.hasPrefix("/hi: ") == true)
    }

    @Test func `bitfields keep what lies beside them`() throws {
        var blob = Blob()
        let color = blob.build.enumeration("color", ["RED": 0, "BLUE": 2, "WIDE": 9])
        let plan = try blob.plan(
            size: 4,
            [
                .init("a", blob.u32, bit: 0, bits: 3), .init("b", blob.s32, bit: 3, bits: 5),
                .init("c", color, bit: 8, bits: 2), .init("d", blob.bool, bit: 10, bits: 1),
                .init("e", blob.u32, bit: 11, bits: 21),
            ])
        let text = #"{"a":5,"b":-2,"c":"BLUE","d":true,"e":2097151}"#
        #expect(plan.text(try plan.bytes(text)) == text)
        #expect(try plan.bytes(#"{"b":-1}"#) == [0b1111_1000, 0, 0, 0])
        #expect(try plan.refusal(#"{"a":8}"#) == "/a: 8 is outside the range of __u32:3 (0 to 7)")
        #expect(
            try plan.refusal(#"{"b":16}"#) == "/b: 16 is outside the range of int:5 (-16 to 15)")
        #expect(try plan.refusal(#"{"c":"WIDE"}"#) == "/c: WIDE is 9, outside the range of 2 bits")
        #expect(try plan.refusal(#"{"d":1}"#) != nil)
    }

    @Test func `what int64 style makes a string is taken back`() throws {
        var blob = Blob()
        let plan = try blob.plan(
            size: 16, [.init("a", blob.u64, bit: 0, bits: 60), .init("b", blob.u64, at: 8)])
        let bytes = little(UInt64(1) << 60 - 1) + little(UInt64.max)
        let text = plan.text(bytes, int64: .string)
        #expect(text == #"{"a":"1152921504606846975","b":"18446744073709551615"}"#)
        #expect(try plan.bytes(text) == bytes)
    }

    @Test func `a client's long text is not repeated whole`() throws {
        var blob = Blob()
        let plan = try blob.plan(size: 1, [.init("a", blob.u8, at: 0)])
        let name = String(repeating: "x", count: 100_000)
        let object: JSONValue = .object(
            [name: 1].reduce(into: JSONObject()) { $0[$1.key] = $1.value })
        do throws(ValueError) {
            _ = try plan.encode(object)
            Issue.record("taken")
        } catch {
            #expect(error.reason.count < 200)
        }
    }

    @Test func `floats take numbers and the three names`() throws {
        var blob = Blob()
        let (float, double) = (try blob.plan(blob.float), try blob.plan(blob.double))
        #expect(try float.bytes("0.1") == little(Float(0.1).bitPattern))
        #expect(try double.bytes("-1e300") == little((-1e300).bitPattern))
        #expect(try double.bytes("\"-Infinity\"") == little((-Double.infinity).bitPattern))
        #expect(float.text(try float.bytes("\"NaN\"")) == "\"NaN\"")
        #expect(try float.refusal("1e39")?.contains("outside the range of float") == true)
        #expect(try double.refusal("1e400")?.contains("outside the range of double") == true)
        #expect(try double.refusal("\"nan\"")?.contains("a number for double") == true)
    }

    @Test func `what is the kernel's is never written, but may come back as it was shown`() throws {
        var blob = Blob()
        let lock = blob.build.structure("bpf_spin_lock", size: 4, [.init("val", blob.u32, at: 0)])
        let kptr = blob.build.pointer(to: blob.build.typeTag("kptr", 0))
        let pointer = blob.build.pointer(to: 0)
        let plan = try blob.plan(
            size: 24,
            [
                .init("l", lock, at: 0), .init("n", blob.u32, at: 4), .init("k", kptr, at: 8),
                .init("p", pointer, at: 16),
            ])
        let bytes = try plan.bytes(#"{"l":"bpf_spin_lock","n":3,"k":"kptr","p":"0x0"}"#)
        #expect(bytes == [0, 0, 0, 0, 3] + [UInt8](repeating: 0, count: 19))
        #expect(
            try plan.refusal(#"{"l":{"val":1}}"#)?.hasPrefix(
                "/l: bpf_spin_lock belongs to the kernel") == true)
        #expect(
            try plan.refusal(#"{"k":"0x10"}"#)?.hasPrefix("/k: kptr belongs to the kernel") == true)
        #expect(
            try plan.refusal(#"{"p":"0x10"}"#)
                == "/p: void * is a pointer and read only: leave it out")
    }

    @Test func `a flexible array is taken as far as there is room`() throws {
        var blob = Blob()
        let words = blob.build.array(of: blob.u16, 0)
        let plan = try blob.plan(size: 4, [.init("n", blob.u32, at: 0), .init("w", words, at: 4)])
        #expect(try plan.bytes(#"{"n":1,"w":[]}"#).count == 4)
        #expect(try plan.refusal(#"{"w":[1]}"#) == "/w: __u16[] makes 6 bytes of 4")
        #expect(
            try plan.encode(["n": 1, "w": [1, 2]], maximumSize: 8) == [1, 0, 0, 0, 1, 0, 2, 0])
        #expect(throws: ValueError.self) { try plan.encode(["w": [1, 2, 3]], maximumSize: 8) }
    }
}
