internal import JSON
internal import Linux
internal import Problems

/// The lines of a body that is in a file, a piece of it in memory at a time.
struct BatchLines {
    private let file: MemoryFile
    private let size: Int
    private var piece: [UInt8] = []
    /// Of the piece, in the file; and where in it the next line begins.
    private var start = 0
    private var position = 0
    /// Lines so far, without the blank ones.
    private(set) var count = 0

    /// A line that is longer makes the piece larger.
    private static let pieceBytes = 128 << 10

    /// - Parameter size: of the file, in bytes.
    init(_ file: MemoryFile, size: Int) {
        self.file = file
        self.size = size
    }

    /// Lends the next line that is not blank, its number from 0, and where it stands in the file.
    /// - Returns: false where there is none.
    mutating func next(
        _ body: (Span<UInt8>, _ index: Int, _ offset: Int) throws(Problem) -> Void
    ) throws(Problem) -> Bool {
        while let line = try find() {
            let (from, piece) = (position, piece)
            position = line.upperBound + 1
            let text = piece.span.extracting(line)
            if Self.isBlank(text) { continue }
            count += 1
            try body(text, count - 1, start + from)
            return true
        }
        return false
    }

    /// Where the next line stands in the piece; nil behind the last.
    private mutating func find() throws(Problem) -> Range<Int>? {
        var searched = position
        while true {
            searched = Self.newline(piece.span, from: searched)
            if searched < piece.count { return position..<searched }
            // What is left of the piece (-1 behind a last line without its newline), and more.
            let (behind, rest) = (start + piece.count, piece.count - position)
            guard behind < size else { return rest <= 0 ? nil : position..<piece.count }
            let wanted = max(Self.pieceBytes, 2 * rest)
            do throws(Errno) {
                piece = try file.descriptor.read(at: start + position, atMost: wanted)
            } catch {
                throw Problem(error, while: "read the body")
            }
            start += position
            (position, searched) = (0, rest)
        }
    }

    private static func newline(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count && bytes[index] != 0x0A { index += 1 }
        return index
    }

    private static func isBlank(_ line: Span<UInt8>) -> Bool {
        var position = 0
        PlainJSON.skipSpace(line, &position)
        return position == line.count
    }
}
