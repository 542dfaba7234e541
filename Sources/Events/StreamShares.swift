/// Which programs write into which ring: those that share one are one stream, under the name of the
/// first.
struct StreamShares {
    struct Share {
        /// Whose name the stream has.
        var owner: StreamKey
        var users: Set<StreamKey>
        let counter: SharedCounter
        var options: StreamOptions
    }

    /// By the ring's kernel id.
    private(set) var byMap: [UInt64: Share] = [:]

    /// The ring that a program writes into under this name.
    func share(of key: StreamKey) -> Share? {
        byMap.values.first { $0.users.contains(key) }
    }

    /// Others that write into the same ring.
    func others(of owner: StreamKey) -> [StreamKey] {
        guard let share = byMap.values.first(where: { $0.owner == owner }) else { return [] }
        return share.users.subtracting([owner]).sorted()
    }

    /// Whether a query selects a stream, by its own name or by another's who writes into it.
    func selects(_ query: StreamQuery, _ key: StreamKey) -> Bool {
        if query.selects(key) { return true }
        return byMap.values.contains { share in
            share.owner == key && share.users.contains { query.selects($0) }
        }
    }

    /// - Parameter owner: whose name a stream has that is not shared yet; nil: its own.
    mutating func join(
        _ map: UInt64, _ key: StreamKey, _ options: StreamOptions, owner: StreamKey? = nil
    ) -> Share {
        var share =
            byMap[map]
            ?? Share(owner: owner ?? key, users: [], counter: SharedCounter(), options: options)
        if share.owner == key { share.options = options }
        share.users.insert(key)
        share.counter.add(key, options.lostCounter)
        byMap[map] = share
        return share
    }

    /// - Returns: the ring and its share, without the one who left; nil where it was in none.
    mutating func leave(_ key: StreamKey) -> (map: UInt64, share: Share)? {
        guard let map = byMap.first(where: { $0.value.users.contains(key) })?.key,
            var share = byMap[map]
        else { return nil }
        share.users.remove(key)
        share.counter.remove(key)
        byMap[map] = share.users.isEmpty ? nil : share
        return (map, share)
    }

    mutating func rename(_ map: UInt64, _ owner: StreamKey) { byMap[map]?.owner = owner }
}
