internal import BPF
internal import Synchronization

/// What one `fetch` of a walk gave, apart from the walk.
struct EntryBlock: Sendable {
    /// Each `keySize` and `lookupBytes` long.
    var keys: [UInt8] = []
    var values: [UInt8] = []
    var count = 0
    /// Of the walk so far.
    var restarts = 0
}

/// Reads a map's entries ahead of whom they are for: the kernel's lookups are most of a dump's
/// time, and go on in a thread of their own while text is made and sent.
///
/// At most `depth` blocks wait to be taken, so a client that takes nothing costs those. A taker
/// that finds the thread busy with another dump reads for itself. One taker at a time.
final class EntryReadAhead: Sendable {
    enum Next {
        case entries(EntryBlock)
        case end(restarts: Int)
        /// The kernel refused to go on.
        case broken
        /// `wake` is called when there is something.
        case wait
    }

    private enum Reading { case idle, asked, running }

    private struct Queue {
        var blocks: [EntryBlock] = []
        /// To be read into again.
        var spent: [EntryBlock] = []
        /// `end` or `broken`, behind the blocks.
        var last: Next?
        var reading = Reading.idle
        var isClosed = false
        var wake: (@Sendable () -> Void)?

        var wantsMore: Bool { !isClosed && last == nil && blocks.count < EntryReadAhead.depth }
    }

    private static let depth = 2

    /// Held while the kernel is asked.
    private let walk: Mutex<EntryWalk>
    private let queue = Mutex(Queue())
    private let calls: Turns

    init(_ map: Map, _ calls: Turns) {
        walk = Mutex(EntryWalk(map))
        self.calls = calls
    }

    /// The first entries; none where the map is empty. To be called once, before anything else.
    func first() throws(BPFError) -> EntryBlock {
        try walk.withLock { walk throws(BPFError) in
            var block = EntryBlock()
            _ = try walk.fetch(into: &block)
            return block
        }
    }

    /// Starts to read ahead.
    func begin() {
        let asks = queue.withLock { queue in
            guard queue.reading == .idle, queue.wantsMore else { return false }
            queue.reading = .asked
            return true
        }
        if asks { calls.later { [self] in read() } }
    }

    /// The next entries.
    /// - Parameter spent: those before, for their memory.
    func take(returning spent: EntryBlock, _ wake: @escaping @Sendable () -> Void) -> Next {
        let next: Next? = queue.withLock { queue in
            if !spent.keys.isEmpty { queue.spent.append(spent) }
            if !queue.blocks.isEmpty { return .entries(queue.blocks.removeFirst()) }
            if let last = queue.last { return last }
            if queue.reading == .running {
                queue.wake = wake
                return .wait
            }
            queue.reading = .running
            return nil
        }
        defer { begin() }
        if let next { return next }
        let own = fetch()
        queue.withLock { queue in
            queue.reading = .idle
            if case .entries = own { return }
            queue.last = own
        }
        return own
    }

    /// Nothing more will be taken.
    func close() { queue.withLock { $0.isClosed = true } }

    private func fetch() -> Next {
        var block = queue.withLock { $0.spent.popLast() } ?? EntryBlock()
        return walk.withLock { walk in
            do throws(BPFError) {
                return try walk.fetch(into: &block)
                    ? .entries(block) : .end(restarts: walk.restarts)
            } catch {
                return .broken
            }
        }
    }

    private func read() {
        let isWanted = queue.withLock { queue in
            guard queue.reading == .asked else { return false }
            queue.reading = .running
            return true
        }
        guard isWanted else { return }
        while goesOn() {
            let next = fetch()
            let wake = queue.withLock { queue in
                if case .entries(let block) = next {
                    queue.blocks.append(block)
                } else {
                    queue.last = next
                }
                defer { queue.wake = nil }
                return queue.wake
            }
            wake?()
        }
    }

    private func goesOn() -> Bool {
        queue.withLock { queue in
            if !queue.wantsMore { queue.reading = .idle }
            return queue.wantsMore
        }
    }
}
