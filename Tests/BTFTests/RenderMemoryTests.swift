import BTF
import JSON
import Testing

/// What is remembered of one record must not show in the next.
struct RenderMemoryTests {
    /// A struct with whatever is remembered, and what stands beside it.
    private func plan() throws -> ValuePlan {
        var blob = Blob()
        let comm = blob.build.array(of: blob.char, 16)
        let short = blob.build.array(of: blob.char, 8)
        let many = blob.build.array(of: blob.u64, 12)
        return try blob.plan(
            size: 208,
            [
                .init("ts", blob.u64, at: 0), .init("delta", blob.s64, at: 8),
                .init("pid", blob.u32, at: 16), .init("ret", blob.s32, at: 20),
                .init("port", blob.u16, at: 24), .init("nice", blob.s16, at: 26),
                .init("cpu", blob.u8, at: 28), .init("signal", blob.s8, at: 29),
                .init("comm", comm, at: 32), .init("short", short, at: 48),
                .init("wide", blob.u128, at: 64), .init("many", many, at: 80),
                .init("parent", comm, at: 176), .init("last", blob.u64, at: 200),
            ])
    }

    private static let numbers: [UInt64] =
        [0, 1, 9, 10, 11, 99, 100, 4321, 65_535, 9_999_999, 10_000_000, 99_999_999, 100_000_000]
        + [100_000_001, 999_999_999, 4_294_967_295, 123_456_789_012_345, 123_456_789_999_999]
        + [9_007_199_254_740_991, 9_007_199_254_740_992, 9_999_999_999_999_999]
        + [10_000_000_000_000_000, 10_000_000_000_000_001, .max, .max - 9, 1 << 63]
    private static let texts = [
        "", "a", "sshd", "exactly16bytes!!", "sixteen and more of it", "\"quoted\"", "tab\there",
        "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}", "ümlaut", "\u{FF}", "sshd\0behind NUL",
    ]

    @Test(arguments: [Int64Style.number, .string])
    func `text is the same with a memory and without`(_ style: Int64Style) throws {
        let plan = try plan()
        let memory = RenderMemory(plan)
        var random = SeededGenerator(11)
        var bytes = [UInt8](repeating: 0, count: plan.size)
        for round in 0..<5000 {
            // Mostly a little changes, as in a stream.
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let offset = Int.random(in: 0..<plan.size / 8, using: &random) * 8
                let number = Self.numbers.randomElement(using: &random) ?? 0
                let word = Bool.random(using: &random) ? number : 0 &- number
                bytes.replaceSubrange(offset..<offset + 8, with: little(word))
            }
            if Bool.random(using: &random) {
                let offset = [32, 48, 176].randomElement(using: &random) ?? 32
                let size = offset == 48 ? 8 : 16
                let text: String = Self.texts.randomElement(using: &random) ?? ""
                let filled = Array(text.utf8.prefix(size)) + [UInt8](repeating: 0, count: size)
                bytes.replaceSubrange(offset..<offset + size, with: filled.prefix(size))
            }
            var json = JSONWriter(capacity: 1, int64: style)
            plan.render(bytes.span, into: &json, memory)
            let text = String(decoding: json.bytes(), as: UTF8.self)
            try #require(text == plan.text(bytes, int64: style), "round \(round)")
        }
    }

    @Test func `a number that comes again takes no other one's digits`() throws {
        var blob = Blob()
        let plan = try blob.plan(size: 8, [.init("n", blob.s64, at: 0)])
        let memory = RenderMemory(plan)
        // The upper digits of the second are all of the first; signs alternate.
        for number in [1234, 123_412_345_678, -1234, 1234, -123_400_000_000, 0, 1234] as [Int64] {
            var json = JSONWriter()
            plan.render(little(number).span, into: &json, memory)
            #expect(String(decoding: json.bytes(), as: UTF8.self) == #"{"n":\#(number)}"#)
        }
    }
}
