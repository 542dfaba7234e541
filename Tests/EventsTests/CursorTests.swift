import Testing

@testable import Events

struct CursorTests {
    @Test func `a cursor reads back as it was written`() {
        let places = [
            Cursor.Place(stream: 2, sequence: 0), Cursor.Place(stream: 10, sequence: .max),
        ]
        let cursor = Cursor(journal: 0xab, places: places)
        let text = String(decoding: cursor.text, as: UTF8.self)
        #expect(text == "00000000000000ab.2-0.10-18446744073709551615")
        #expect(Cursor(parsing: text) == cursor)
        #expect(Cursor(parsing: "00000000000000ab")?.places.isEmpty == true)
    }

    @Test(arguments: [
        "", "ab", "00000000000000AB.1-1", "00000000000000ab.", "00000000000000ab.1",
        "00000000000000ab.1-", "00000000000000ab.01-1", "00000000000000ab.1-+1",
        "00000000000000ab.2-1.1-1", "00000000000000ab.1-1.1-2", "00000000000000ab.1-1 ",
        "00000000000000ab.1-18446744073709551616", "+0000000000000ab.1-1", "ünïcödé-text-.1-1",
        "00000000000000ab.0-1", "00000000000000ab..1-1",
    ])
    func `what no cursor writes is no cursor`(_ text: String) {
        #expect(Cursor(parsing: text) == nil)
    }
}
