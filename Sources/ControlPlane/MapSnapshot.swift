internal import BPF

/// What a map held at one moment, as the bytes of a file: a head, the entries, a checksum.
struct MapSnapshot: Sendable {
    let type: UInt32
    let keySize: Int
    /// Of one entry: of a per-CPU map the values of all CPUs.
    let valueSize: Int
    /// Keys and values, one after the other.
    let entries: [UInt8]

    /// What a persisted map may hold at most: it is read into memory at once.
    static let largestBytes = 256 << 20

    private static let magic = Array("APIARYM1".utf8)
    private static let headSize = 32

    var count: Int { entries.count / max(1, keySize + valueSize) }

    /// Whether the contents of such a map can be read and written again as they were.
    static func canKeep(_ type: MapType) -> Bool {
        switch type {
        case .hash, .lruHash, .percpuHash, .lruPercpuHash, .array, .percpuArray, .lpmTrie: true
        default: false
        }
    }

    /// Reads all entries. Others may write meanwhile: an entry that is there all the time is in it.
    init(of map: Map) throws(BPFError) {
        type = map.info.type.rawValue
        keySize = map.info.keySize
        valueSize = map.lookupBytes
        var entries: [UInt8] = []
        var walk = EntryWalk(map)
        while try walk.fetch() {
            for index in 0..<walk.count {
                entries += walk.keys[walk.keyRange(index)]
                entries += walk.values[walk.valueRange(index)]
            }
            // A map that others fill while it is read: what is there by now is enough.
            if entries.count > Self.largestBytes { break }
        }
        self.entries = entries
    }

    /// - Returns: nil for bytes that are no snapshot, or not a whole one.
    init?(file: [UInt8]) {
        guard file.count >= Self.headSize + 8, Array(file[..<8]) == Self.magic else { return nil }
        let body = file.count - 8
        guard Self.number(file, at: body, 8) == Self.checksum(file[..<body]) else { return nil }
        type = UInt32(Self.number(file, at: 8, 4))
        keySize = Int(Self.number(file, at: 12, 4))
        valueSize = Int(Self.number(file, at: 16, 4))
        entries = Array(file[Self.headSize..<body])
        let size = keySize + valueSize
        guard size > 0, entries.count % size == 0,
            UInt64(entries.count / size) == Self.number(file, at: 24, 8)
        else { return nil }
    }

    var file: [UInt8] {
        var bytes = Self.magic
        bytes.reserveCapacity(Self.headSize + entries.count + 8)
        for (value, size) in [
            (UInt64(type), 4), (UInt64(keySize), 4), (UInt64(valueSize), 4), (0, 4),
            (UInt64(count), 8),
        ] {
            Self.append(value, size, to: &bytes)
        }
        bytes += entries
        Self.append(Self.checksum(bytes[...]), 8, to: &bytes)
        return bytes
    }

    /// Writes the entries into a map of the same shape.
    /// - Returns: how many the map took; nil where its shape is another now.
    func restore(into map: Map) throws(BPFError) -> Int? {
        guard map.info.keySize == keySize, map.lookupBytes == valueSize,
            map.info.type.rawValue == type
        else { return nil }
        var done = 0
        let size = keySize + valueSize
        for index in 0..<count {
            let start = index * size
            let key = Array(entries[start..<start + keySize])
            let value = Array(entries[start + keySize..<start + size])
            do throws(BPFError) { try map.update(key.span, value.span, .any) } catch {
                // The map holds fewer now, or the array is shorter: the rest has no room.
                if error.errno == .e2big { continue }
                throw error
            }
            done += 1
        }
        return done
    }

    /// FNV-1a, 64 bits.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return sum
    }

    private static func number(_ bytes: [UInt8], at offset: Int, _ size: Int) -> UInt64 {
        (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
    }

    private static func append(_ value: UInt64, _ size: Int, to bytes: inout [UInt8]) {
        for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
}
