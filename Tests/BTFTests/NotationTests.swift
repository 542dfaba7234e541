import BTF
import JSON
import Testing

/// What the tags of `apiary.bpf.h` ask for.
struct NotationTests {
    /// A struct of one member `m` with the tag.
    private func plan(_ tag: String, size: Int, _ type: (inout Blob) -> BTFTypes.ID) throws
        -> ValuePlan
    {
        var blob = Blob()
        let member = type(&blob)
        let id = blob.build.structure("s", size: size, [.init("m", member, at: 0)])
        _ = blob.build.declarationTag("apiary:" + tag, on: id, member: 0)
        return try blob.plan(id)
    }

    @Test(arguments: [
        ("c0000201", "192.0.2.1"), ("00000000", "0.0.0.0"), ("ffffffff", "255.255.255.255"),
    ])
    func `an IPv4 address is text, in network order`(_ hex: String, _ text: String) throws {
        for plan in [
            try plan("ipv4", size: 4) { $0.u32 },
            try plan("ip", size: 4) { $0.build.array(of: $0.u8, 4) },
        ] {
            let bytes = try plan.bytes(#"{"m":"\#(text)"}"#)
            #expect(bytes == (try plan.bytes(#"{"m":"\#(hex)"}"#)))
            #expect(plan.text(bytes) == #"{"m":"\#(text)"}"#)
            #expect(bytes.first == UInt8(hex.prefix(2), radix: 16))
        }
    }

    @Test(arguments: [
        ("20010db8000000000000000000000001", "2001:db8::1"),
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000000000001", "::1"),
        ("fe800000000000000000000000000000", "fe80::"),
        ("00010000000000020000000000000003", "1:0:0:2::3"),
        ("00000000000000000000ffffc0000201", "::ffff:192.0.2.1"),
        ("00010002000300040005000600070008", "1:2:3:4:5:6:7:8"),
        ("00010000000300040005000600070008", "1:0:3:4:5:6:7:8"),
        ("00000000000300040005000600070000", "::3:4:5:6:7:0"),
    ])
    func `an IPv6 address is spelt as RFC 5952 wants it`(_ hex: String, _ text: String) throws {
        for plan in [
            try plan("ipv6", size: 16) { $0.build.array(of: $0.u8, 16) },
            try plan("ip", size: 16) { $0.build.array(of: $0.u32, 4) },
        ] {
            let bytes = try plan.bytes(#"{"m":"\#(text)"}"#)
            #expect(bytes == (try plan.bytes(#"{"m":"\#(hex)"}"#)))
            #expect(plan.text(bytes) == #"{"m":"\#(text)"}"#)
        }
    }

    @Test func `other spellings are read, and what is none is refused`() throws {
        let six = try plan("ipv6", size: 16) { $0.build.array(of: $0.u8, 16) }
        let full = try six.bytes(#"{"m":"2001:0DB8:0:0:0:0:192.0.2.1"}"#)
        #expect(six.text(full) == #"{"m":"2001:db8::c000:201"}"#)
        for wrong in [
            "", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::",
            "1:2:3:4:5:6:7:8::", "::1.2.3", "1.2.3.4::", "::1.2.3.256", "fe80::1%eth0", "192.0.2.1",
        ] {
            let refusal = try six.refusal(#"{"m":"\#(wrong)"}"#)
            #expect(refusal?.hasPrefix("/m: ") == true, "\(wrong)")
        }
        let four = try plan("ipv4", size: 4) { $0.u32 }
        for wrong in ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "-1.2.3.4", "::1", "7"] {
            #expect(try four.refusal(#"{"m":"\#(wrong)"}"#) != nil, "\(wrong)")
        }
        #expect(
            try four.refusal(#"{"m":7}"#)
                == #"/m: an IPv4 address for __u32 is wanted, "192.0.2.1", not a number"#)
    }

    @Test func `a MAC address has colons`() throws {
        let plan = try plan("mac", size: 6) { $0.build.array(of: $0.u8, 6) }
        for text in ["0a:1b:2c:3d:4e:5f", "0A-1B-2C-3D-4E-5F", "0a1b2c3d4e5f", "a:1b:2c:3d:4e:5f"] {
            let bytes = try plan.bytes(#"{"m":"\#(text)"}"#)
            #expect(plan.text(bytes) == #"{"m":"0a:1b:2c:3d:4e:5f"}"#)
        }
        for wrong in ["", "0a:1b:2c:3d:4e", "0a:1b:2c:3d:4e:5f:60", "0a:1b:2c:3d:4e:gg", "123"] {
            #expect(try plan.refusal(#"{"m":"\#(wrong)"}"#) != nil, "\(wrong)")
        }
    }

    @Test func `a number in network order is a number`() throws {
        let port = try plan("big_endian", size: 2) { $0.u16 }
        #expect(try port.bytes(#"{"m":443}"#) == [0x01, 0xBB])
        #expect(port.text([0x01, 0xBB]) == #"{"m":443}"#)
        #expect(try port.refusal(#"{"m":65536}"#)?.contains("0 to 65535") == true)
        let signed = try plan("big_endian", size: 8) { $0.s64 }
        #expect(try signed.bytes(#"{"m":-2}"#).last == 0xFE)
        #expect(signed.text([UInt8](repeating: 0xFF, count: 8)) == #"{"m":-1}"#)
        let member = try #require(port.member(named: "m"))
        let https: [UInt8] = [0x01, 0xBB]
        let number = port.integer(member, in: https.span)
        #expect(number == 443)
        #expect(port.numbers.other != nil)
    }

    @Test func `a histogram has its bounds, and comes back`() throws {
        let plan = try plan("log2", size: 32) { $0.build.array(of: $0.u64, 4) }
        let text =
            #"{"m":[{"from":0,"to":1,"count":3},{"from":2,"to":3,"count":0},"#
            + #"{"from":4,"to":7,"count":0},{"from":8,"to":null,"count":9}]}"#
        let bytes = try plan.bytes(#"{"m":[3,0,0,9]}"#)
        #expect(plan.text(bytes) == text)
        #expect(try plan.bytes(text) == bytes)
        #expect(try plan.bytes(#"{"m":[{"from":8,"count":9},{"from":0,"count":3}]}"#) == bytes)
        #expect(plan.text([UInt8](repeating: 0, count: 32)) == #"{"m":[]}"#)
        for wrong in [
            "[1,2,3]", "[1,2,3,4,5]", "{}", #"[{"from":3,"count":1}]"#, #"[{"from":16,"count":1}]"#,
            #"[{"from":2,"count":1},{"from":2,"count":1}]"#, #"[{"from":2,"count":-1}]"#,
            #"[{"from":2,"n":1}]"#, "[1,2,3,{}]",
        ] {
            #expect(try plan.refusal(#"{"m":\#(wrong)}"#) != nil, "\(wrong)")
        }
        #expect(plan.numbers.members.count == 4)
        let largest = try self.plan("log2", size: 256) { $0.build.array(of: $0.u32, 64) }
        let ones = try largest.bytes(
            #"{"m":[\#((0..<64).map(String.init).joined(separator: ","))]}"#)
        #expect(try largest.bytes(largest.text(ones)) == ones)
        #expect(try largest.bytes(largest.text(ones, int64: .string)) == ones)
    }

    @Test func `arrays of addresses, typedefs and variables have the notation too`() throws {
        var blob = Blob()
        let address = blob.build.typedef("address_t", blob.u32)
        _ = blob.build.declarationTag("apiary:ipv4", on: address)
        let list = blob.build.array(of: address, 2)
        let pair = blob.build.array(of: blob.u32, 2)
        let id = blob.build.structure(
            "s", size: 20,
            [.init("a", list, at: 0), .init("b", pair, at: 8), .init("c", blob.u32, at: 16)])
        _ = blob.build.declarationTag("apiary:ip", on: id, member: 1)
        let variable = blob.build.variable("gateway", blob.u32)
        _ = blob.build.declarationTag("apiary:ipv4", on: variable)
        let section = blob.build.section(".data", size: 4, [(variable, offset: 0, size: 4)])
        let types = try blob.build.types()
        let bytes = (1...20).map { UInt8($0) }
        #expect(
            try ValuePlan(types, type: id).text(bytes)
                == #"{"a":["1.2.3.4","5.6.7.8"],"b":["9.10.11.12","13.14.15.16"],"c":336794129}"#)
        #expect(try ValuePlan(types, type: address).text([10, 0, 0, 1]) == #""10.0.0.1""#)
        #expect(
            try ValuePlan(types, type: section).text([10, 0, 0, 1]) == #"{"gateway":"10.0.0.1"}"#)
    }

    @Test func `a tag that does not fit its type changes nothing`() throws {
        for (tag, size) in [("ipv6", 4), ("mac", 4), ("log2", 4), ("nonsense", 4)] {
            let plan = try plan(tag, size: size) { $0.u32 }
            #expect(plan.text([1, 0, 0, 0]) == #"{"m":1}"#, "\(tag)")
        }
        let pointer = try plan("ip", size: 8) { $0.build.pointer(to: 0) }
        #expect(pointer.text([UInt8](repeating: 0, count: 8)) == #"{"m":"0x0"}"#)
        let float = try plan("ipv4", size: 4) { $0.float }
        #expect(float.text([0, 0, 0, 0]) == #"{"m":0.0}"#)
    }

    @Test func `members are found through structs and arrays`() throws {
        var blob = Blob()
        let inner = blob.build.structure(
            "inner", size: 8,
            [.init("port", blob.u16, at: 2), .init("ratio", blob.float, at: 4)])
        let three = blob.build.array(of: inner, 3)
        let id = blob.build.structure(
            "s", size: 28, [.init("list", three, at: 4), .init("n", blob.u32, at: 0)])
        let plan = try blob.plan(id)
        let member = try #require(plan.member(at: "list.2.port"))
        #expect(member.offset == 22)
        let bytes = try plan.encode(443, as: member)
        let number = plan.integer(member, in: bytes.span)
        #expect(number == 443)
        let ratio = try #require(plan.member(at: "list.0.ratio"))
        let half = try plan.encode(JSONValue(0.5), as: ratio)
        let shown = plan.float(ratio, in: half.span)
        #expect(shown == 0.5)
        #expect(plan.member(at: "list[2].port")?.offset == 22)
        for wrong in [
            "list.3.port", "list.port", "list.-1", "list.0.port.x", "n.0", "", "list.", "list[3]",
            "list.[1]", "list[1]port", "list[1", "list[]", "list..1", ".n", "n.",
        ] {
            #expect(plan.member(at: wrong) == nil, "\(wrong)")
        }
    }
}
