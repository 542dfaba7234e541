internal import BPF

extension MapView {
    /// How many entries there are: for arrays all of them, for keyed maps by a walk over the keys.
    ///
    /// nil for maps without keys, and beyond 100,000 entries, where the walk would take too long for
    /// something that is decoration: `?count=true` counts those.
    public func entryCount() -> Int? {
        if loaded.map.info.type.isArray { return info.maxEntries }
        guard uses.contains(.iterate) else { return nil }
        var walk = EntryWalk(loaded.map)
        var count = 0
        // A map that refuses the walk has no count to show.
        do throws(BPFError) {
            while try walk.fetch() {
                count += walk.count
                if count > 100_000 { return nil }
            }
        } catch {
            return nil
        }
        return count
    }
}
