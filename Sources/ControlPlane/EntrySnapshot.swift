internal import BPF

/// The entries of a map as they were at one look, found by their keys. Flat: an object for each
/// entry would take more than most entries.
struct EntrySnapshot: Sendable {
    let keySize: Int
    let valueSize: Int
    private(set) var count = 0
    private var keys: [UInt8] = []
    private var values: [UInt8] = []
    /// Open addressing: the number of an entry and one more; 0 is free. Twice as many as entries.
    private var slots = [UInt32](repeating: 0, count: 64)

    init(keySize: Int, valueSize: Int) {
        self.keySize = keySize
        self.valueSize = valueSize
    }

    /// - Throws: `E2BIG` for more than `limit` entries or `byteLimit` bytes of them.
    init(of map: Map, limit: Int, byteLimit: Int) throws(BPFError) {
        self.init(keySize: map.info.keySize, valueSize: map.lookupBytes)
        var walk = EntryWalk(map)
        while try walk.fetch() {
            // Let go before the next fetch writes to them, or they would be copied.
            let (walked, given) = (walk.keys, walk.values)
            for index in 0..<walk.count {
                put(
                    walked.span.extracting(walk.keyRange(index)),
                    given.span.extracting(walk.valueRange(index)))
            }
            guard count <= limit, count * (keySize + valueSize + 8) <= byteLimit else {
                throw BPFError("follow", .e2big)
            }
        }
    }

    func keyRange(_ index: Int) -> Range<Int> { index * keySize..<(index + 1) * keySize }
    func valueRange(_ index: Int) -> Range<Int> { index * valueSize..<(index + 1) * valueSize }
    var allKeys: [UInt8] { keys }
    var allValues: [UInt8] { values }

    /// Adds an entry, or gives the one of the same key another value.
    mutating func put(_ key: Span<UInt8>, _ value: Span<UInt8>) {
        if let index = find(key) {
            for byte in 0..<valueSize { values[index * valueSize + byte] = value[byte] }
            return
        }
        for byte in 0..<keySize { keys.append(key[byte]) }
        for byte in 0..<valueSize { values.append(value[byte]) }
        count += 1
        if 2 * count > slots.count { grow() } else { enter(count - 1) }
    }

    /// The number of the entry that has the key.
    func find(_ key: Span<UInt8>) -> Int? {
        var slot = hash(key) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if isKey(key, index) { return index }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func isKey(_ key: Span<UInt8>, _ index: Int) -> Bool {
        let start = index * keySize
        for byte in 0..<keySize where keys[start + byte] != key[byte] { return false }
        return true
    }

    func isValue(_ value: Span<UInt8>, _ index: Int) -> Bool {
        let start = index * valueSize
        for byte in 0..<valueSize where values[start + byte] != value[byte] { return false }
        return true
    }

    private func hash(_ key: Span<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in 0..<keySize { hash = (hash ^ UInt64(key[byte])) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash ^ hash >> 32) & Int.max
    }

    private mutating func enter(_ index: Int) {
        var slot = hash(keys.span.extracting(keyRange(index))) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(index + 1)
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: 4 * slots.count)
        for index in 0..<count { enter(index) }
    }
}
