/// Ids by name: one chain of types for each hash, lowest id first.
///
/// A blob may give all its types one name; making the index takes linear time even then.
struct NameIndex: Sendable {
    /// Index of the first type + 1 by hash; 0 ends a chain.
    private var heads: [UInt32]
    /// Index of the next type + 1 of the same hash.
    private var next: [UInt32]

    init(_ types: BTFTypes) {
        var capacity = 16
        while capacity < types.offsets.count { capacity *= 2 }
        heads = [UInt32](repeating: 0, count: capacity)
        next = [UInt32](repeating: 0, count: types.offsets.count)
        for index in types.offsets.indices.reversed() {
            let name = Int(types.words[Int(types.offsets[index])])
            let slot = types.withName(at: name) { Self.hash($0, $1) } & (capacity - 1)
            next[index] = heads[slot]
            heads[slot] = UInt32(index + 1)
        }
    }

    /// The lowest id of this name that is `wanted`.
    func first(_ name: String, in types: BTFTypes, _ wanted: (UInt32) -> Bool) -> UInt32? {
        let bytes = Array(name.utf8) + [0]
        var link = heads[Self.hash(bytes, 0) & (heads.count - 1)]
        while link != 0 {
            let index = Int(link) - 1
            let offset = Int(types.words[Int(types.offsets[index])])
            let isSame = types.withName(at: offset) { strings, start in
                strings[start...].starts(with: bytes)
            }
            if isSame, wanted(types.firstID + UInt32(index)) {
                return types.firstID + UInt32(index)
            }
            link = next[index]
        }
        return nil
    }

    /// FNV-1a of the bytes up to NUL, of long names of their start.
    private static func hash(_ bytes: [UInt8], _ start: Int) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        var index = start
        while index < start + 128, bytes[index] != 0 {
            hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3
            index += 1
        }
        return Int(truncatingIfNeeded: hash ^ hash >> 32)
    }
}

extension BTFTypes {
    /// Lends the string section that holds a name, and where in it the name starts.
    func withName<Result>(at offset: Int, _ body: ([UInt8], Int) -> Result) -> Result {
        if offset < firstString, let base { return base.withName(at: offset, body) }
        let start = offset - firstString
        guard start >= 0, start < strings.count else { return body([0], 0) }
        return body(strings, start)
    }
}
