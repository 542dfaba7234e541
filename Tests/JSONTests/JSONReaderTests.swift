import JSON
import Testing

struct JSONReaderTests {
    private func error(_ text: String, limits: JSONLimits = JSONLimits()) -> JSONError? {
        error(Array(text.utf8), limits: limits)
    }

    private func error(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) -> JSONError? {
        do throws(JSONError) {
            _ = try JSONValue.parse(bytes.span, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func `every kind of value is read`() throws {
        let value = try JSONValue.parse(
            #" {"a": null, "b": [true, false], "c": -12.5e+3, "d": "x", "e": {}, "f": []} "#)
        #expect(value["a"] == .null)
        #expect(value["b"] == [true, false])
        #expect(value["c"]?.number?.text == "-12.5e+3")
        #expect(value["d"] == "x")
        #expect(value["e"] == [:])
        #expect(value["f"] == [])
        #expect(value.object?.members.map(\.name) == ["a", "b", "c", "d", "e", "f"])
    }

    @Test func `no digit of a number is lost`() throws {
        let digits = "170141183460469231731687303715884105727"
        #expect(try JSONValue.parse(digits).number?.int128 == Int128.max)
        #expect(try JSONValue.parse("18446744073709551615").uint64 == UInt64.max)
        #expect(try JSONValue.parse("-9223372036854775808").int == Int.min)
        #expect(
            try JSONValue.parse("340282366920938463463374607431768211455").number?.uint128 == .max)
        #expect(try JSONValue.parse("1.0").int == nil)
        #expect(try JSONValue.parse("1e3").int == nil)
    }

    @Test(arguments: [
        "01", "-", "1.", ".5", "1e", "1e+", "+1", "--1", "0x10", "NaN", "Infinity", "-Infinity",
        "1.e5",
        "00", "-01", "1 2", "- 1",
    ])
    func `what is not a number is refused`(_ text: String) {
        #expect(error(text) != nil)
    }

    @Test(arguments: ["0", "-0", "0.0", "1E5", "1e-5", "-0.5e+10", "123456789"])
    func `what is a number keeps its text`(_ text: String) throws {
        #expect(try JSONValue.parse(text).number?.text == text)
    }

    @Test func `escapes are understood`() throws {
        let value = try JSONValue.parse(#""\"\\\/\b\f\n\r\tAé\u20AC\ud83D\uDE00x""#)
        #expect(value == .string("\"\\/\u{8}\u{C}\n\r\tAé€😀x"))
        #expect(try JSONValue.parse(#""\u0000""#) == .string("\0"))
    }

    @Test(arguments: [
        #""\ud83d""#, #""\ud83dx""#, #""\ud83d\n""#, #""\ude00""#, #""\ud83d\ud83d""#, #""\u12""#,
        #""\u12g4""#, #""\x41""#, #""\"#, #""abc"#, #""\ud83dA""#,
    ])
    func `a broken escape or string is refused`(_ text: String) {
        #expect(error(text) != nil)
    }

    @Test func `a raw control character in a string is refused`() {
        for byte in UInt8(0)..<0x20 {
            #expect(error([0x22, byte, 0x22])?.reason == "a control character inside a string")
            #expect(error([0x22, 0x5C, 0x6E, byte, 0x22]) != nil)
        }
        #expect(error([0x22, 0x7F, 0x22]) == nil)
    }

    @Test(
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFF], [0xC3, 0x28], [0xE2, 0x82],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are refused with their offset`(_ bytes: [UInt8]) {
        let found = error([0x22, 0x61] + bytes + [0x22])
        #expect(found?.reason == "bytes that are not UTF-8")
        #expect(found?.offset == 2)
        #expect(error([0x22, 0x5C, 0x6E] + bytes + [0x22])?.offset == 3)
    }

    @Test func `a byte order mark is refused`() {
        #expect(error([0xEF, 0xBB, 0xBF, 0x31])?.reason == "a byte order mark is not allowed")
    }

    @Test func `a second member of the same name is refused with its place`() {
        let found = error(#"{"a": {"x/y": 1, "x/y": 2}}"#)
        #expect(found?.reason == #"a second member named "x/y""#)
        #expect(found?.pointer.description == "/a/x~1y")
        #expect(found?.offset == 17)
        // An escape does not hide it.
        #expect(error(#"{"a":1,"\u0061":2}"#)?.pointer.description == "/a")
    }

    @Test func `a second member is found among thousands`() throws {
        let members = (0..<5000).map { "\"m\($0)\":\($0)" }
        let text = "{" + members.joined(separator: ",")
        #expect(try JSONValue.parse(text + "}").object?.count == 5000)
        #expect(error(text + ",\"m4321\":0}")?.pointer.description == "/m4321")
        #expect(error(text + ",\"m3\":0}")?.pointer.description == "/m3")
    }

    @Test(arguments: [
        ("", "the text is empty", 0), ("  ", "the text is empty", 2),
        ("[1,]", "a value cannot start with ']'", 3), ("[1 2]", "a comma or ] is wanted", 3),
        ("{\"a\" 1}", "a colon is wanted", 5), ("{,}", "a member's name in quotes", 1),
        ("{\"a\":1,}", "a member's name in quotes", 7), ("[", "the text ends where a value", 1),
        ("{\"a\":", "the text ends where a value", 5), ("[1", "a comma or ] is wanted", 2),
        ("tru", "a word that is not true", 0), ("nulL", "a word that is not true", 0),
        ("1 x", "more text after the value", 2), ("[1]]", "more text after the value", 3),
        ("'a'", "a value cannot start with '''", 0), ("\u{1}", "the byte 0x1", 0),
        ("{\"a\":1", "a comma or } is wanted", 6), ("{", "the text ends inside an object", 1),
    ])
    func `an error says what is wrong and where`(_ text: String, _ reason: String, _ offset: Int) {
        let found = error(text)
        #expect(found?.reason.contains(reason) == true, "\(found?.reason ?? "none")")
        #expect(found?.offset == offset)
    }

    @Test func `the pointer leads to the element`() {
        #expect(error(#"{"a":[1,{"b":[true,nope]}]}"#)?.pointer.description == "/a/1/b/1")
    }

    @Test func `depth is limited`() throws {
        let limits = JSONLimits(depth: 3)
        #expect(error("[[[1]]]", limits: limits) == nil)
        #expect(error("[[[[1]]]]", limits: limits)?.reason == "nested deeper than 3 levels")
        #expect(error(#"{"a":{"a":{"a":{}}}}"#, limits: limits)?.pointer.description == "/a/a/a")
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(
            error(deep, limits: JSONLimits(depth: .max))?.reason == "nested deeper than 512 levels")
    }

    @Test func `the number of values is limited`() {
        #expect(error("[1,2,3]", limits: JSONLimits(values: 4)) == nil)
        #expect(error("[1,2,3]", limits: JSONLimits(values: 3))?.pointer.description == "/2")
    }

    @Test func `no mutation of a document makes the reader trap`() {
        let seed = Array(
            #"{"a":[1,-2.5e3,"x\n\ud83d\ude00é",null,true],"b":{"c":"","d":[[]]}}"#.utf8)
        var random = SeededGenerator(1)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1 where bytes.count > 1: bytes.remove(at: index)
                default: bytes.insert(seed[index % seed.count], at: index)
                }
            }
            do throws(JSONError) {
                let value = try JSONValue.parse(bytes.span)
                let again = value.serialized()
                #expect(try JSONValue.parse(again.span) == value)
            } catch {
                #expect(error.offset >= 0 && error.offset <= bytes.count)
            }
        }
    }
}

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
