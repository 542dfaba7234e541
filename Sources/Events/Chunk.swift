internal import Synchronization

/// Memory that all rendered text may take.
final class TextBudget: Sendable {
    /// 32 MiB over all streams.
    static let bytesInAll = 32 << 20
    /// 4 MiB for each variant of each stream.
    static let bytesPerRendering = 4 << 20

    private let used = Atomic<Int>(0)

    var isExceeded: Bool { used.load(ordering: .relaxed) > Self.bytesInAll }
    func add(_ bytes: Int) { used.add(bytes, ordering: .relaxed) }
    func subtract(_ bytes: Int) { used.subtract(bytes, ordering: .relaxed) }
}

/// The text of some consecutive entries of one segment: appended to while records come, never
/// changed, so that readers copy from it without a lock.
///
/// Gaps are not in it: readers make those lines themselves. An entry that the variant does not show
/// has no text.
@safe
final class Chunk: @unchecked Sendable {
    struct Line {
        /// Where the line ends in the text.
        var textEnd: UInt32
        /// Where its entry ends in the segment, a multiple of eight; the lowest bit: it has no text
        /// and is none of the reader's records.
        var entryEndAndFlag: UInt32

        var entryEnd: Int { Int(entryEndAndFlag & ~1) }
        var isUncounted: Bool { entryEndAndFlag & 1 != 0 }
    }

    static let mostLines = 512
    static let textBytes = 64 << 10
    static let smallTextBytes = 8 << 10

    private(set) var segment: Segment
    private(set) var first: UInt64
    private let budget: TextBudget
    // SAFETY: both allocated here and freed in deinit; lines and text below the counts of a Piece
    // never change again. All else is touched only with the Rendering's lock held.
    private var text: UnsafeMutableRawPointer
    private let lines: UnsafeMutablePointer<Line>
    private var capacity: Int
    /// Room for text.
    var textBytes: Int { capacity }
    var count = 0
    var textCount = 0
    /// Entries without text.
    var hidden = 0
    /// Nothing will be added.
    var isClosed = false
    var lastUse: UInt64 = 0

    init(_ segment: Segment, first: UInt64, textBytes: Int, _ budget: TextBudget) {
        self.segment = segment
        self.first = first
        self.budget = budget
        capacity = textBytes
        unsafe text = .allocate(byteCount: textBytes, alignment: 16)
        unsafe lines = .allocate(capacity: Self.mostLines)
        budget.add(memoryBytes)
    }

    deinit {
        budget.subtract(memoryBytes)
        unsafe text.deallocate()
        unsafe lines.deallocate()
    }

    /// Begins anew elsewhere. The caller holds the only reference: no Piece has one.
    func reuse(_ segment: Segment, first: UInt64) {
        self.segment = segment
        self.first = first
        count = 0
        textCount = 0
        hidden = 0
        isClosed = false
    }

    var memoryBytes: Int { capacity + Self.mostLines * MemoryLayout<Line>.stride }

    /// Adds a line, empty for an entry that is not shown. False where it does not fit.
    func append(_ line: Span<UInt8>, entryEnd: Int, isCounted: Bool = true) -> Bool {
        guard count < Self.mostLines else { return false }
        if textCount + line.count > capacity {
            guard textCount == 0 else { return false }
            // A line longer than any chunk has one of its own. No reader has seen this memory.
            budget.add(line.count - capacity)
            unsafe text.deallocate()
            capacity = line.count
            unsafe text = .allocate(byteCount: capacity, alignment: 16)
        }
        unsafe line.withUnsafeBytes { line in
            guard let source = line.baseAddress else { return }
            unsafe (text + textCount).copyMemory(from: source, byteCount: line.count)
        }
        textCount += line.count
        unsafe lines[count] = Line(
            textEnd: UInt32(textCount),
            entryEndAndFlag: UInt32(truncatingIfNeeded: entryEnd) | (isCounted ? 0 : 1))
        count += 1
        return true
    }

    func line(_ index: Int) -> Line { unsafe lines[index] }

    /// Where the text of entry `index` begins.
    func textStart(_ index: Int) -> Int { index == 0 ? 0 : Int(unsafe lines[index - 1].textEnd) }

    /// Lends text of lines that a Piece covers.
    func withText<Result>(_ range: Range<Int>, _ body: (Span<UInt8>) -> Result) -> Result {
        // SAFETY: the caller's Piece covers the range, so it lies below textCount.
        body(
            unsafe Span(
                _unsafeStart: UnsafePointer(
                    (text + range.lowerBound).assumingMemoryBound(to: UInt8.self)),
                count: range.count))
    }
}

/// What a reader may copy from a chunk.
struct Piece {
    let chunk: Chunk
    /// The reader's next entry, and the end of those rendered so far.
    let entries: Range<Int>
    /// Whether every entry of the chunk has text.
    let isDense: Bool
}
