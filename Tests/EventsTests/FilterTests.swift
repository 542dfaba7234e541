import BTF
import Testing

@testable import Events

struct FilterTests {
    private let type: RecordType

    init() throws { type = try SampleType.make() }

    private func matches(_ text: String, _ record: [UInt8] = SampleType.record()) throws -> Bool {
        try FilterProgram(Filter(parsing: text), type).matches(record.span)
    }

    @Test(arguments: [
        "pid == 7", "pid != 8", "7 == pid", "pid < 8 && pid > 6", "pid <= 7 && pid >= 7", "pid",
        "ret < 0", "ret == -2", "-1 > ret", "ret != 4294967294", "!(pid == 8)", "!!pid",
        "pid == 8 || ret == -2", "pid == 8 || pid == 9 || pid == 7", "pid in (1, 7, 9)",
        "pid == 0x7", "state == BUSY", #"state == "BUSY""#, "state == 5", "state != IDLE",
        "state in (IDLE, BUSY)", "ok", "ok == true", "ok != false", "flag", "flag == 1",
        "level == 5", "level & 4", "!(level & 2)", "port == 443", "ratio == 0.5",
        "ratio > 0.25 && ratio < 1", "ratio >= 5e-1", #"comm == "sshd""#, #"comm ~ "ssh*""#,
        #"comm ~ "*hd""#, #"comm ~ "s??d""#, #"comm ~ "*""#, #"comm ~ "*s*h*d*""#,
        #"comm !~ "bash*""#, #"comm != "ssh""#, #"comm in ("a", "sshd")"#, "comm", "'sshd' == comm",
        #"mac == "001bff02""#, #"mac == "hex:001BFF02""#, #"mac != "00""#, "mac",
        "mac in ('001bff02')",
        "ts < pid", "pid != ret", "pid == 7 && comm ~ \"ssh*\" && ret < 0",
        "pid == 8 && ret == 1 || ok", "(pid == 7 || ok) && !(ret > 0)", "  pid==7  ",
    ])
    func `what holds is let through`(_ text: String) throws {
        #expect(try matches(text), "\(text)")
        #expect(try !matches("!(\(text))"), "!(\(text))")
    }

    @Test(arguments: [
        ("pidd == 7", 1), ("pid == 7 && nope", 13), ("pid = 7", 5), ("pid ==", 7), ("", 1),
        ("pid == 7 pid", 10), ("(pid == 7", 10), ("pid == \"x\"", 8), ("comm == 7", 9),
        ("comm < \"a\"", 1), ("pid ~ \"a\"", 7), ("comm ~ \"abc", 8), ("state == NOPE", 10),
        ("mac == \"zz\"", 8), ("pid in 7", 8), ("pid == 1.5", 8), ("== 7", 1), ("pid == 12x", 8),
        ("pid && ", 8), ("7", 2), ("ratio == \"a\"", 10), ("pid == \u{e9}", 8),
        ("comm == \"\\q\"", 10), ("pid ! 7", 5),
    ])
    func `what is wrong is told with its place`(_ text: String, _ position: Int) throws {
        let error = try #require(throws: FilterError.self) { _ = try matches(text) }
        #expect(error.position == position, "\(text): \(error)")
    }

    @Test func `limits hold`() throws {
        let deep = String(repeating: "(", count: 100) + "pid" + String(repeating: ")", count: 100)
        #expect(throws: FilterError.self) { try Filter(parsing: deep) }
        #expect(throws: FilterError.self) {
            try Filter(parsing: String(repeating: "!", count: 3000) + "pid")
        }
        let wide = [String](repeating: "pid", count: 300).joined(separator: "||")
        #expect(throws: FilterError.self) { try Filter(parsing: wide) }
        let long = "comm == \"" + String(repeating: "a", count: 5000) + "\""
        #expect(throws: FilterError.self) { try Filter(parsing: long) }
        let most = [String](repeating: "pid == 7", count: 256).joined(separator: "&&")
        #expect(try matches(most))
    }

    @Test func `a shorter record matches nothing and is not read beyond its end`() throws {
        for size in 0..<SampleType.size {
            let record = Array(SampleType.record().prefix(size))
            #expect(try !matches("pid == 7", record))
            #expect(try !matches("!(pid == 8)", record))
        }
    }

    @Test func `text of a flexible array reaches to the record's end`() throws {
        let schema = try #require(TraceLine.schema())
        let line = Array("   cat-12    [003] d..31  5.000000001: bpf_trace_printk: hello you".utf8)
        guard case .record(let record) = TraceLine.parse(line[...]) else {
            Issue.record("no record")
            return
        }
        for text in [
            "text ~ \"hello*\"", "text == 'hello you'", "cpu == 3 && pid == 12", "comm == 'cat'",
        ] {
            let program = try FilterProgram(Filter(parsing: text), schema.types[0])
            let isMatch = program.matches(record.span)
            #expect(isMatch, "\(text)")
        }
    }

    /// Any text, and any record: a refusal or an answer, never a trap.
    @Test func `nonsense is refused and never traps`() throws {
        var random = SystemRandomNumberGenerator()
        let words = [
            "pid", "comm", "ret", "state", "mac", "ratio", "flag", "==", "!=", "<", "~", "!~", "&&",
            "||", "!", "(", ")", "in", ",", "7", "-1", "0x", "1e9", "1e999", "\"a*\"", "\"", "'",
            "\\",
            "BUSY", "true", " ", "\u{0}", "é", "&", "18446744073709551616", "[", "a[1]", "comm.x",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &random)
            let text = (0..<count).compactMap { _ in words.randomElement(using: &random) }
                .joined(separator: Bool.random(using: &random) ? " " : "")
            var record = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { record = SampleType.record() }
            do { _ = try matches(text, record) } catch {}
        }
    }
}

struct GlobTests {
    private func matches(_ pattern: String, _ text: String) -> Bool {
        let text = Array(text.utf8)
        return unsafe text.withUnsafeBytes { bytes in
            unsafe GlobPattern(Array(pattern.utf8)).matches(bytes)
        }
    }

    @Test(arguments: [
        ("", "", true), ("*", "", true), ("?", "", false), ("a", "a", true), ("a", "ab", false),
        ("a*", "abc", true), ("*c", "abc", true), ("*b*", "abc", true), ("a?c", "abc", true),
        ("a?c", "a\u{e4}c", true), ("*a*b", "xaxxb", true), ("*a*b", "xaxxbx", false),
        ("**", "x", true), ("a\\*", "a*", true), ("a\\*", "ab", false), ("*.c", "a.c.c", true),
    ])
    func `stars and question marks`(_ pattern: String, _ text: String, _ result: Bool) {
        #expect(matches(pattern, text) == result, "\(pattern) \(text)")
    }

    @Test func `many stars do not take for ever`() {
        let pattern = String(repeating: "a*", count: 500) + "b"
        #expect(!matches(pattern, String(repeating: "a", count: 4000)))
    }
}
