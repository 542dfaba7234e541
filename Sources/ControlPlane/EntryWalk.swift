internal import BPF
internal import Linux

/// A walk over all entries of a map, in batches where the kernel has them, else key by key.
///
/// An entry that is there all the time is given once, with one exception: a walk by keys whose last
/// key was deleted begins again (the kernel's `get_next_key` does), which is noticed and counted.
struct EntryWalk: ~Copyable {
    let map: Map
    /// The entries of the last `fetch`, each `keySize` and `lookupBytes` long.
    private(set) var keys: [UInt8]
    private(set) var values: [UInt8]
    private(set) var count = 0
    private(set) var restarts = 0
    private(set) var isBatched: Bool

    private var capacity: Int
    private var cursor = MapCursor()
    private var isAtEnd = false
    /// Of a walk by keys: where it stands.
    private var key: [UInt8]
    private var isStarted = false
    private let startsAgain: Bool

    /// Bytes of keys and values that one `fetch` takes at once, unless a single entry has more.
    static let batchBytes = 256 << 10
    /// A map whose walk began again so often changes faster than it can be read.
    static let restartLimit = 1000

    /// - Parameter after: of a walk by keys, the key before the first.
    init(_ map: Map, after: [UInt8]? = nil) {
        self.map = map
        let size = map.info.keySize + map.lookupBytes
        capacity = max(1, min(Self.batchBytes / max(1, size), 4096))
        isBatched = after == nil && Self.hasBatches(map.info.type)
        startsAgain = !MapAbilities.isIndexed(map.info.type)
        let room = isBatched ? capacity : min(capacity, 256)
        capacity = room
        keys = [UInt8](repeating: 0, count: room * map.info.keySize)
        values = [UInt8](repeating: 0, count: room * map.lookupBytes)
        key = after ?? [UInt8](repeating: 0, count: map.info.keySize)
        isStarted = after != nil
    }

    /// linux: the types with `map_lookup_batch` (5.6; per-CPU arrays 5.13; LPM tries 5.7).
    static func hasBatches(_ type: MapType) -> Bool {
        switch type {
        case .hash, .lruHash, .percpuHash, .lruPercpuHash, .array, .percpuArray, .lpmTrie,
            .hashOfMaps, .arrayOfMaps:
            true
        default: false
        }
    }

    /// Whether all entries so far were given once.
    var isConsistent: Bool { restarts == 0 }

    /// Where entry `index` of the last `fetch` stands in `keys`.
    func keyRange(_ index: Int) -> Range<Int> {
        index * map.info.keySize..<(index + 1) * map.info.keySize
    }

    /// Where entry `index` of the last `fetch` stands in `values`.
    func valueRange(_ index: Int) -> Range<Int> {
        index * map.lookupBytes..<(index + 1) * map.lookupBytes
    }

    /// Takes the next entries; false where there are no more. Bounded: one call for a batch, or
    /// some hundred keys.
    mutating func fetch() throws(BPFError) -> Bool {
        count = 0
        while !isAtEnd && count == 0 {
            if isBatched { try fetchBatch() } else { try fetchKeys() }
        }
        return count > 0
    }

    /// The same into a block of its own, whose memory is used again where it fits.
    mutating func fetch(into block: inout EntryBlock) throws(BPFError) -> Bool {
        if block.keys.count == keys.count && block.values.count == values.count {
            swap(&keys, &block.keys)
            swap(&values, &block.values)
        }
        let isMore = try fetch()
        if block.keys.count != keys.count || block.values.count != values.count {
            block.keys = [UInt8](repeating: 0, count: keys.count)
            block.values = [UInt8](repeating: 0, count: values.count)
        }
        swap(&keys, &block.keys)
        swap(&values, &block.values)
        block.count = count
        block.restarts = restarts
        return isMore
    }

    private mutating func fetchBatch() throws(BPFError) {
        // Spans of members would keep all of `self` from being touched: the buffers go out and
        // back.
        var (keyBytes, valueBytes): ([UInt8], [UInt8]) = ([], [])
        swap(&keyBytes, &keys)
        swap(&valueBytes, &values)
        defer {
            keys = keyBytes
            values = valueBytes
        }
        var keySpan = keyBytes.mutableSpan
        var valueSpan = valueBytes.mutableSpan
        switch try map.lookupBatch(keys: &keySpan, values: &valueSpan, cursor: &cursor) {
        case .entries(let given): count = given
        case .end(let given):
            count = given
            isAtEnd = true
        case .buffersTooSmall:
            capacity *= 2
            keyBytes = [UInt8](repeating: 0, count: capacity * map.info.keySize)
            valueBytes = [UInt8](repeating: 0, count: capacity * map.lookupBytes)
        case .unsupported: isBatched = false
        }
    }

    private mutating func fetchKeys() throws(BPFError) {
        let (keySize, valueSize) = (map.info.keySize, map.lookupBytes)
        var steps = 0
        while count < capacity && steps < 256 {
            steps += 1
            guard try step() else {
                isAtEnd = true
                return
            }
            guard let value = try map.lookup(key.span) else { continue }
            for index in 0..<valueSize { values[count * valueSize + index] = value[index] }
            for index in 0..<keySize { keys[count * keySize + index] = key[index] }
            count += 1
        }
    }

    /// Moves to the next key; false at the end.
    private mutating func step() throws(BPFError) -> Bool {
        var next = key
        var span = next.mutableSpan
        guard isStarted else {
            guard try map.firstKey(into: &span) else { return false }
            isStarted = true
            key = next
            return true
        }
        guard try map.advance(&span) else { return false }
        // After a key that is gone the kernel gives the first one.
        if startsAgain, try isFirst(next), try !isPresent(key) {
            restarts += 1
            if restarts > Self.restartLimit { return false }
        }
        key = next
        return true
    }

    private func isPresent(_ key: [UInt8]) throws(BPFError) -> Bool {
        try map.lookup(key.span) != nil
    }

    private func isFirst(_ key: [UInt8]) throws(BPFError) -> Bool {
        var first = key
        var span = first.mutableSpan
        return try map.firstKey(into: &span) && first == key
    }
}
