import JSON
import Testing
import YAML

struct YAMLDocumentTests {
    private func json(_ yaml: String) throws -> String {
        String(decoding: try YAMLDocument.parse(Array(yaml.utf8)).serialized(), as: UTF8.self)
    }

    private func reason(_ yaml: String, _ limits: YAMLLimits = YAMLLimits()) -> String? {
        do throws(YAMLError) { _ = try YAMLDocument.parse(Array(yaml.utf8), limits: limits) } catch
        {
            return error.reason
        }
        return nil
    }

    @Test(arguments: [
        ("a: 1", #"{"a":1}"#), ("a: -17", #"{"a":-17}"#), ("a: 0x1F", #"{"a":31}"#),
        ("a: 0o17", #"{"a":15}"#), ("a: 18446744073709551615", #"{"a":18446744073709551615}"#),
        ("a: 007", #"{"a":7}"#), ("a: +5", #"{"a":5}"#), ("a: 1.5", #"{"a":1.5}"#),
        ("a: yes", #"{"a":"yes"}"#), ("a: true", #"{"a":true}"#), ("a: ~", #"{"a":null}"#),
        ("a:", #"{"a":null}"#), ("a: '1'", #"{"a":"1"}"#), ("a: !!str 1", #"{"a":"1"}"#),
        ("a: 1-2", #"{"a":"1-2"}"#), ("a: |\n  x\n  y\n", #"{"a":"x\ny\n"}"#),
        ("- 1\n- [2, {b: 3}]\n", #"[1,[2,{"b":3}]]"#), ("1: x", #"{"1":"x"}"#),
        ("a: &x {b: 1}\nc: *x\n", #"{"a":{"b":1},"c":{"b":1}}"#), ("{\"a\": [1]}", #"{"a":[1]}"#),
        ("a: tcp_*", #"{"a":"tcp_*"}"#), ("a: .inf", #"{"a":".inf"}"#),
    ])
    func `a document is the JSON that it says`(yaml: String, expected: String) throws {
        #expect(try json(yaml) == expected)
    }

    @Test(arguments: [
        "", "a: [", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "? [a]\n: 1\n", "a: *nowhere",
        "a: !!binary aGk=", "<<: {a: 1}", "a: !ruby/object {}", "\u{0}", "a: \"x",
    ])
    func `what is not one plain document is refused with a reason`(yaml: String) {
        #expect(reason(yaml)?.isEmpty == false, "\(yaml)")
    }

    @Test func `text that is no UTF-8 is refused`() {
        #expect(throws: YAMLError.self) { try YAMLDocument.parse([0x61, 0x3A, 0x20, 0xFF]) }
    }

    @Test func `depth, size and number of values are bounded`() {
        let deep = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
        #expect(reason(deep)?.contains("nested deeper than 64") == true)
        let deeper = String(repeating: "[", count: 100_000)
        #expect(reason(deeper) != nil)
        #expect(reason(String(repeating: "- ", count: 100_000)) != nil)
        let many = "[" + String(repeating: "1,", count: 500_000) + "1]"
        #expect(reason(many)?.contains("send it as JSON") == true)
        var limits = YAMLLimits()
        limits.sizeBytes = 10
        #expect(reason("a: 123456789", limits)?.contains("10 are allowed") == true)
        limits = YAMLLimits()
        limits.values = 3
        #expect(reason("[1,2]", limits) == nil)
        #expect(reason("[1,2,3]", limits)?.contains("more than 3 values") == true)
    }

    @Test func `aliases are counted as what they stand for`() {
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for number in 1...20 {
            let aliases = [String](repeating: "*a\(number - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(number): &a\(number) [\(aliases)]\n"
        }
        #expect(reason(bomb)?.contains("more than 1000000 values") == true)
        // As keys they would be compared, each with all that it stands for.
        for key in ["? *a20\n: 1\n", "*a20 : 1\n", "{*a20 : 1}\n", "x: {[*a20]: 1}\n"] {
            #expect(reason(bomb + key)?.contains("keys are plain texts") == true, "\(key)")
        }
    }
}
