import JSON
import Testing

struct JSONWriterTests {
    private func written(
        _ int64: Int64Style = .number, _ body: (inout JSONWriter) -> Void
    ) -> String {
        var json = JSONWriter(capacity: 1, int64: int64)
        body(&json)
        return String(decoding: json.bytes(), as: UTF8.self)
    }

    @Test func `integers of all lengths are exact`() {
        var values: [UInt64] = [0, 1, 9, 10, 99, 100, .max, .max - 1, 1 << 63]
        var power: UInt64 = 1
        while power < UInt64.max / 10 {
            power *= 10
            values += [power - 1, power, power + 1, power + power / 3]
        }
        var random = SeededGenerator(2)
        for bits in 1...64 {
            values += (0..<50).map { _ in random.next() >> UInt64(64 - bits) }
        }
        for value in values {
            #expect(written { $0.integer(value) } == String(value))
            let signed = Int64(truncatingIfNeeded: value)
            #expect(written { $0.integer(signed) } == String(signed))
            #expect(written { $0.integer(0 &- signed) } == String(0 &- signed))
        }
    }

    @Test func `integers of 128 bits are exact`() {
        var random = SeededGenerator(3)
        for bits in 1...128 {
            for _ in 0..<20 {
                let wide = UInt128(random.next()) << 64 | UInt128(random.next())
                let value = wide >> UInt128(128 - bits)
                let signed = Int128(truncatingIfNeeded: value)
                #expect(written { $0.integer(value) } == String(value))
                #expect(written { $0.integer(signed) } == String(signed))
                #expect(written { $0.integer(of: signed) } == String(signed))
            }
        }
        #expect(written { $0.integer(UInt128.max) } == String(UInt128.max))
        #expect(written { $0.integer(Int128.min) } == String(Int128.min))
        #expect(written { $0.integer(UInt128(10_000_000_000_000_000)) } == "10000000000000000")
    }

    @Test func `integers beyond 2^53-1 become strings when asked`() {
        let edge: Int64 = 9_007_199_254_740_991
        #expect(written(.string) { $0.integer(edge) } == "9007199254740991")
        #expect(written(.string) { $0.integer(edge + 1) } == "\"9007199254740992\"")
        #expect(written(.string) { $0.integer(-edge) } == "-9007199254740991")
        #expect(written(.string) { $0.integer(-edge - 1) } == "\"-9007199254740992\"")
        #expect(written(.string) { $0.integer(UInt64.max) } == "\"18446744073709551615\"")
        #expect(written(.string) { $0.integer(Int128.min) } == "\"\(Int128.min)\"")
        #expect(written(.number) { $0.integer(UInt64.max) } == "18446744073709551615")
        let value: JSONValue = [
            .init(UInt64.max), 1, .number(JSONNumber(text: "12345678901234567890.5")),
            .number(JSONNumber(text: "-9007199254740992")), .init(edge),
        ]
        #expect(
            String(decoding: value.serialized(int64: .string), as: UTF8.self)
                == #"["18446744073709551615",1,12345678901234567890.5,"-9007199254740992",9007199254740991]"#
        )
    }

    @Test func `doubles read back the same and those without a number are strings`() {
        for value in [
            0.1, -0.0, 1e300, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 100, 1.0 / 3,
        ] {
            let text = written { $0.double(value) }
            #expect(Double(text)?.bitPattern == value.bitPattern)
        }
        #expect(written { $0.float(0.1) } == "0.1")
        #expect(written { $0.double(.nan) } == "\"NaN\"")
        #expect(written { $0.double(-.infinity) } == "\"-Infinity\"")
        #expect(written { $0.float(.infinity) } == "\"Infinity\"")
        #expect(JSONValue(Double.nan) == "NaN")
        #expect(JSONValue(Double.infinity) == "Infinity")
    }

    @Test func `control characters, quotes and backslashes are escaped at every place`() throws {
        for length in 0..<40 {
            for place in 0..<max(length, 1) {
                for special in ["\"", "\\", "\n", "\u{1}", "\u{1F}", "é", "€", "😀", "\u{7F}", "\0"]
                {
                    var characters = (0..<length).map { String(UnicodeScalar(UInt8(97 + $0 % 26))) }
                    if length > 0 { characters[place] = special }
                    let text = characters.joined()
                    let json = written { $0.string(text) }
                    #expect(try JSONValue.parse(json) == .string(text))
                }
            }
        }
        #expect(
            written { $0.string("\u{8}\u{9}\u{A}\u{C}\u{D}\u{B}\"\\/") }
                == #""\b\t\n\f\r\u000b\"\\/""#)
    }

    @Test func `long texts survive in pieces`() throws {
        for unit in ["a", "é", "€", "😀", "\"", "a😀"] {
            for count in [4094, 4095, 4096, 4097, 20_000] {
                let text = String(repeating: unit, count: count)
                #expect(try JSONValue.parse(written { $0.string(text) }) == .string(text))
            }
        }
    }

    @Test func `bytes that are not UTF-8 become U+FFFD as the standard library has it`() {
        var random = SeededGenerator(4)
        let starts: [UInt8] = [
            0xC3, 0xE2, 0xF0, 0xED, 0xE0, 0xF4, 0x80, 0xBF, 0x82, 0xAC, 0x9F, 0xFF, 0x61,
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &random)
            let bytes = (0..<count).map { _ in starts.randomElement(using: &random) ?? 0 }
            let text = written { $0.string(bytes.span) }
            #expect(text == "\"" + String(decoding: bytes, as: UTF8.self) + "\"")
        }
    }

    @Test func `objects and arrays put their commas`() {
        let text = written { json in
            json.object {
                $0.member("seq", UInt64.max)
                $0.member("name", "x")
                $0.member("none", String?.none)
                $0.member("ok", true)
                $0.member("ratio", 0.5)
                $0.member("value", ["a": 1] as JSONValue)
                $0.member("nothing", Int?.none)
                $0.object("link") {
                    $0.member("id", Int32(-5))
                    $0.object("empty") { _ in }
                }
                $0.array("items") {
                    $0.element(1)
                    $0.element("two")
                    $0.element { $0.object { $0.member("three", 3) } }
                    $0.element { $0.array { _ in } }
                }
                $0.member("raw") { $0.raw("[1,2]") }
                $0.member("a\"b", 1)
            }
        }
        #expect(
            text == #"{"seq":18446744073709551615,"name":"x","none":null,"ok":true,"ratio":0.5,"#
                + #""value":{"a":1},"nothing":null,"link":{"id":-5,"empty":{}},"#
                + #""items":[1,"two",{"three":3},[]],"raw":[1,2],"a\"b":1}"#)
    }

    @Test func `an error in a member comes out with its type`() {
        struct Broken: Error {}
        var json = JSONWriter()
        #expect(throws: Broken.self) {
            try json.object { (_: inout JSONWriter) throws(Broken) in throw Broken() }
        }
        json.removeAll()
        #expect(json.count == 0)
    }

    @Test func `hex is lower case`() {
        let bytes: [UInt8] = [0, 0x0A, 0xFF, 0x7E]
        #expect(written { $0.hex(bytes.span) } == "\"000aff7e\"")
        #expect(written { $0.hex(bytes.span, prefix: "hex:") } == "\"hex:000aff7e\"")
        #expect(written { $0.hex(bytes.span.extracting(0..<0)) } == "\"\"")
    }

    @Test func `written text is lent without a copy and can be cut back`() {
        var json = JSONWriter(capacity: 8)
        json.raw("[1,2,3]")
        #expect(json.withBytes { $0.count } == 7)
        json.truncate(to: 3)
        json.append(atMost: 10) { room in
            room.append(UInt8(ascii: "]"))
        }
        #expect(
            json.withBytes { bytes in (0..<bytes.count).map { bytes[$0] } } == Array("[1,]".utf8))
        json.removeAll()
        json.reserve(10_000)
        let more: [UInt8] = [0x78]
        json.raw(more.span)
        #expect(json.bytes() == [0x78])
    }
}
