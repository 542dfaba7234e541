import Testing

@testable import HTTP

@Suite struct RequestTargetTests {
    private func parse(_ text: String) throws -> RequestTarget {
        try RequestTarget([UInt8](text.utf8).span)
    }

    @Test func `a path is split before it is decoded`() throws {
        let target = try parse("/v1/maps/p/a%2Fb%25?key=%7B%22pid%22%3A7%7D&x&y=&&z=1=2")
        #expect(target.rawPath == "/v1/maps/p/a%2Fb%25")
        #expect(target.segments == ["v1", "maps", "p", "a/b%"])
        #expect(target.query.map(\.name) == ["key", "x", "y", "z"])
        #expect(target.query.map(\.value) == [#"{"pid":7}"#, "", "", "1=2"])
    }

    @Test func `a plus is a space in a query, and stays a plus in a path`() throws {
        let target = try parse("/a+b?c+d=e+f%2B")
        #expect(target.segments == ["a+b"])
        #expect(target.query.first?.name == "c d")
        #expect(target.query.first?.value == "e f+")
    }

    @Test(arguments: [
        ("/", []), ("/a/", ["a", ""]), ("//a", ["", "a"]), ("/.rodata", [".rodata"]),
        ("/...", ["..."]), ("/%C3%BC", ["ü"]), ("/ü", ["ü"]), ("/a?", ["a"]),
        ("/a%0Ab", ["a\nb"]),
        ("/{\"a\":1}", ["{\"a\":1}"]),
    ]) func `segments are what stands between slashes`(_ text: String, _ segments: [String]) throws
    {
        #expect(try parse(text).segments == segments)
    }

    @Test(arguments: [
        "", "*", "a", "http://host/a", "//host/a#b", "/a b", "/a\tb", "/a\u{7f}", "/a%00b", "/a%",
        "/a%2", "/a%zz", "/a%+1", "/%ff", "/%C3", "/a?b=%00", "/a?b=%e2%28%a1", "/.", "/..",
        "/a/../b", "/%2e%2e/b", "/a/%2E", "/a?b#c",
        "/?" + String(repeating: "a&", count: 129),
    ]) func `what is not a clean path is refused`(_ text: String) {
        #expect(throws: Refusal.self) { try parse(text) }
    }

    @Test func `no bytes crash it`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("/%?&=+.2fF0eE#a\u{0} \u{7f}".utf8) + [0xc3, 0xbc, 0xff, 0xe2]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<24, using: &generator)
            let bytes =
                [UInt8(ascii: "/")] + (0..<count).compactMap { _ in alphabet.randomElement() }
            do {
                let target = try RequestTarget(bytes.span)
                #expect(!target.segments.contains("..") && !target.segments.contains("."))
                #expect(!target.segments.contains { $0.utf8.contains(0) })
            } catch {}
        }
    }
}
