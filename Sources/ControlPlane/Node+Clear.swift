internal import BPF
public import Problems

extension Node {
    /// Removes all entries; writes zeros to those of arrays. What is added meanwhile may stay.
    /// - Returns: how many were removed, or with `isDryRun` would be; of an array all.
    public func clear(_ view: MapView, isDryRun: Bool) throws(Problem) -> Int {
        let loaded = view.loaded
        let isArray = loaded.map.info.type.isArray
        let isQueue = loaded.abilities.uses.contains(.pop)
        try loaded.require(isArray ? .write : isQueue ? .pop : .delete)
        let isWalked = loaded.abilities.uses.contains(.iterate)
        if !isArray && !isQueue && !isWalked && !loaded.hasIndexes {
            try loaded.require(.iterate)
        }
        if isDryRun && !isArray && isWalked { return try countEntries(view, EntryQuery()).count }
        do throws(BPFError) {
            if isArray { return try loaded.zero(isDryRun: isDryRun) }
            if isDryRun { return 0 }
            if isQueue { return try loaded.drain() }
            return isWalked ? try loaded.deleteAll() : try loaded.deleteIndexes()
        } catch {
            throw loaded.refused(error, while: "clear the entries")
        }
    }
}

extension LoadedMap {
    fileprivate func zero(isDryRun: Bool) throws(BPFError) -> Int {
        let zeros = [UInt8](repeating: 0, count: map.lookupBytes)
        if !isDryRun {
            for index in 0..<UInt32(clamping: map.info.maxEntries) {
                try map.update(Self.key(index).span, zeros.span, .any)
            }
        }
        return map.info.maxEntries
    }

    private static func key(_ index: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: index >> UInt32(8 * $0)) }
    }

    fileprivate func drain() throws(BPFError) -> Int {
        let none: [UInt8] = []
        var value = [UInt8](repeating: 0, count: map.lookupBytes)
        var count = 0
        // Who pushes meanwhile must not keep this going for ever.
        while count < map.info.maxEntries {
            var span = value.mutableSpan
            guard try map.take(none.span, into: &span) else { break }
            count += 1
        }
        return count
    }

    /// Of maps whose slots can be emptied but not walked.
    fileprivate func deleteIndexes() throws(BPFError) -> Int {
        var count = 0
        for index in 0..<UInt32(clamping: map.info.maxEntries)
        where try map.delete(Self.key(index).span) {
            count += 1
        }
        return count
    }

    fileprivate func deleteAll() throws(BPFError) -> Int {
        var walk = EntryWalk(map)
        var count = 0
        guard walk.isBatched else { return try deleteFirsts() }
        while try walk.fetch() {
            let keys = walk.keys
            for index in 0..<walk.count
            where try map.delete(keys.span.extracting(walk.keyRange(index))) {
                count += 1
            }
        }
        return count
    }

    /// A walk by keys would begin again at each deleted one; so the first one goes, again and
    /// again.
    private func deleteFirsts() throws(BPFError) -> Int {
        var key: [UInt8]? = try map.nextKey(after: nil)
        var count = 0
        while let present = key, count <= 2 * map.info.maxEntries {
            let next = try map.nextKey(after: present)
            // Some types say that they deleted a slot which was empty.
            var wasThere = true
            if hasIndexes && canRead { wasThere = try map.lookup(present.span) != nil }
            if try map.delete(present.span), wasThere { count += 1 }
            key = next
        }
        return count
    }
}
