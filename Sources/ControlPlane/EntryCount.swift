internal import BPF

extension MapView {
    /// How many entries there are: for arrays all of them, for keyed maps by a walk over the keys.
    ///
    /// nil for maps without keys, and beyond 100,000 entries, where the walk would take too long
    /// for something that is decoration; one call of the kernel an entry, some 0.3 us each.
    public func entryCount() -> Int? {
        let info = loaded.map.info
        if info.type.isArray { return info.maxEntries }
        guard info.keySize > 0, info.valueSize > 0 else { return nil }
        var key: [UInt8]?
        var count = 0
        // A map that refuses the walk has no count to show.
        do {
            while let next = try loaded.map.nextKey(after: key) {
                count += 1
                if count > 100_000 { return nil }
                key = next
            }
        } catch {
            return nil
        }
        return count
    }
}
