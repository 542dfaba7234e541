import BTF
import JSON
import Testing

/// What `decode` takes, `encode` takes to the same bytes.
struct DecodeTests {
    private func decoded(_ plan: ValuePlan, _ text: String) -> [UInt8]? {
        let json = Array(text.utf8)
        var bytes = [UInt8](repeating: 0, count: plan.size)
        var position = 0
        let isTaken = plan.decode(json.span, &position, into: &bytes, at: 0)
        return isTaken && position == json.count ? bytes : nil
    }

    private func mixed() throws -> ValuePlan {
        var blob = Blob()
        let inner = blob.build.structure(
            "inner", size: 4, [.init("low", blob.u16, at: 0), .init("high", blob.s16, at: 2)])
        let text = blob.build.array(of: blob.char, 6)
        let bytes = blob.build.array(of: blob.u8, 2)
        let three = blob.build.array(of: blob.s8, 3)
        let pair = blob.build.array(of: inner, 2)
        return try blob.plan(
            size: 48,
            [
                .init("number", blob.u64, at: 0), .init("signed", blob.s64, at: 8),
                .init("text", text, at: 16), .init("bytes", bytes, at: 22),
                .init("three", three, at: 24), .init("yes", blob.bool, at: 27),
                .init("pair", pair, at: 28), .init("wide", blob.u32, at: 36),
            ])
    }

    @Test(arguments: [
        "{}", #"{"number":18446744073709551615}"#, #"{"number":9999999999999999999}"#,
        #"{"signed":-9223372036854775808}"#, #"{"signed":9223372036854775807}"#,
        #"{"wide":4294967295,"number":1}"#, #"{"text":"abcdef","bytes":"0aFF"}"#,
        #"{"three":[-128,0,127],"yes":true}"#, #" { "yes" : false , "wide" : 0 } "#,
        #"{"pair":[{"low":1},{"high":-2,"low":65535}]}"#, #"{"text":"","number":-0}"#,
        #"{"text":"\\u0061"}"#, #"{"text":"é"}"#, #"{"number":"7"}"#,
    ])
    func `what is right is read, plainly or not, to the same bytes`(_ text: String) throws {
        let plan = try mixed()
        let right = try plan.bytes(text)
        if let plain = decoded(plan, text) { #expect(plain == right) }
    }

    @Test(arguments: [
        #"{"wide":4294967296}"#, #"{"wide":-1}"#, #"{"signed":9223372036854775808}"#,
        #"{"signed":-9223372036854775809}"#, #"{"three":[128,0,0]}"#, #"{"three":[0,0]}"#,
        #"{"three":[0,0,0,0]}"#, #"{"text":"abcdefg"}"#, #"{"bytes":"0a"}"#, #"{"bytes":"0aFG"}"#,
        #"{"wide":01}"#, #"{"wide":1.0}"#, #"{"wide":1e3}"#, #"{"wide":1,"wide":1}"#,
        #"{"other":1}"#, #"{"wide":1,}"#, #"{"wide":1"#, #"{"wide"}"#, #"{"yes":1}"#,
        #"{"yes":truee}"#, #"{"text":"a\tb"}"#, "[]", "", "7", #"{"wide":true}"#, #"{"wide":-}"#,
    ])
    func `what is wrong is never taken`(_ text: String) throws {
        let plan = try mixed()
        #expect(decoded(plan, text) == nil)
    }

    @Test func `a text that means bytes is left to encode`() throws {
        var blob = Blob()
        let text = blob.build.array(of: blob.char, 12)
        let plan = try blob.plan(text)
        #expect(decoded(plan, #""abc""#) == padded("abc", 12))
        #expect(decoded(plan, #""hex:00""#) == nil)
        #expect(decoded(plan, #""base64:AA==""#) == nil)
    }

    @Test(arguments: 300..<330)
    func `generated values are read to the bytes that encode makes`(_ seed: Int) throws {
        var generator = TypeGenerator(UInt64(seed))
        var taken = 0
        for _ in 0..<20 {
            let made = generator.type(depth: 3)
            let plan = try generator.blob.plan(made.id)
            for _ in 0..<5 {
                let value = generator.value(made.shape)
                let text = String(decoding: value.serialized(), as: UTF8.self)
                guard let plain = decoded(plan, text) else { continue }
                taken += 1
                let right = try plan.encode(value)
                #expect(plain == right, "\(plan.typeName): \(text)")
            }
        }
        #expect(taken > 0)
    }
}
