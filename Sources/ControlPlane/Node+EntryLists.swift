internal import BPF
internal import JSON
public import Problems

/// A page of entries as JSON text.
public struct EntryPage: Sendable {
    /// `{"key":…,"value":…},…` without the brackets around.
    public var items: [UInt8]
    /// The cursor of the next page; nil at the end.
    public var nextCursor: String?
    /// Whether the page begins at the first entry again, because that of the cursor was deleted.
    public var isRestarted = false
}

extension Node {
    /// At most `query.limit` entries after the one that `cursor` names, in the kernel's order.
    /// Entries that are added or deleted meanwhile may be in a page or not.
    public func entries(_ view: MapView, after cursor: String?, _ query: EntryQuery)
        throws(Problem) -> EntryPage
    {
        let loaded = view.loaded
        try loaded.require(.iterate)
        let bytes = try bytes(loaded, query.style)
        let filter = try EntryFilter(loaded, where: query.conditions, prefix: query.prefix)
        let start = try cursor.map { text throws(Problem) in try key(text, loaded) }
        let limit = query.limit ?? 100
        let cpus = bytes.isPerCPU ? bytes.cpus : 1
        var json = JSONWriter(capacity: 16 << 10, int64: query.style.int64)
        var page = EntryPage(items: [], nextCursor: nil)
        var count = 0
        var (last, position) = (start, start)
        do throws(BPFError) {
            if let start, !loaded.hasIndexes {
                page.isRestarted = try loaded.map.lookup(start.span) == nil
            }
            while let next = try loaded.map.nextKey(after: position) {
                if count == limit {
                    page.nextCursor = last.map { Hex.encode($0.span) }
                    break
                }
                position = next
                guard let value = try loaded.map.lookup(next.span),
                    filter.isEmpty
                        || filter.matches(
                            key: next.span, value: value.span, stride: bytes.stride, cpus: cpus)
                else { continue }
                if count > 0 { json.byte(UInt8(ascii: ",")) }
                bytes.write(key: next.span, value: value.span, to: &json)
                count += 1
                last = next
            }
        } catch {
            throw loaded.refused(error, while: "read the entries")
        }
        page.items = json.bytes()
        return page
    }

    private func key(_ cursor: String, _ map: LoadedMap) throws(Problem) -> [UInt8] {
        guard let decoded = Hex.decode(cursor[...]), decoded.count == map.map.info.keySize else {
            throw Problem(.invalidCursor, "\"\(cursor)\" is not a cursor of this map's entries.")
        }
        return decoded
    }

    /// All entries, as a stream.
    public func entryDump(
        _ view: MapView, _ query: EntryQuery, _ format: DumpFormat
    ) throws(Problem) -> EntryDump {
        try view.loaded.require(.iterate)
        let bytes = try bytes(view.loaded, query.style)
        let filter = try EntryFilter(view.loaded, where: query.conditions, prefix: query.prefix)
        let source = EntryReadAhead(view.loaded.map, mapCalls)
        do { return try EntryDump(source, bytes, filter, format, query) } catch {
            throw view.loaded.refused(error, while: "read the entries")
        }
    }

    /// How many entries there are that the query wants, by a walk.
    /// - Returns: and whether each was counted once.
    public func countEntries(_ view: MapView, _ query: EntryQuery) throws(Problem)
        -> (count: Int, isConsistent: Bool)
    {
        let loaded = view.loaded
        try loaded.require(.iterate)
        let filter = try EntryFilter(loaded, where: query.conditions, prefix: query.prefix)
        let bytes = try bytes(loaded, query.style)
        let cpus = bytes.isPerCPU ? bytes.cpus : 1
        var walk = EntryWalk(loaded.map)
        var count = 0
        do throws(BPFError) {
            while try walk.fetch() {
                guard !filter.isEmpty else {
                    count += walk.count
                    continue
                }
                for index in 0..<walk.count {
                    let key = walk.keys.span.extracting(walk.keyRange(index))
                    let value = walk.values.span.extracting(walk.valueRange(index))
                    let isWanted = filter.matches(
                        key: key, value: value, stride: bytes.stride, cpus: cpus)
                    if isWanted { count += 1 }
                }
            }
        } catch {
            throw loaded.refused(error, while: "count the entries")
        }
        return (count, walk.isConsistent)
    }

    /// What changes in a map, looked for once an interval for all who follow it.
    /// - Throws: `unsupported_map_operation`, also for a map that is too large to be compared.
    public func follow(
        _ view: MapView, everyNanoseconds interval: UInt64, _ query: EntryQuery,
        _ format: FollowFormat
    ) throws(Problem) -> MapFollower {
        let loaded = view.loaded
        try loaded.require(.iterate)
        let bytes = try bytes(loaded, query.style)
        let filter = try EntryFilter(loaded, where: query.conditions, prefix: query.prefix)
        let key = FollowScan.Key(mapID: loaded.map.info.id, intervalNanoseconds: interval)
        let form = FollowGroup.Form(
            style: query.style, format: format, conditions: query.conditions,
            prefix: query.prefix)
        let isCurrent: @Sendable () -> Bool = { [weak self] in
            if loaded.program.isEmpty { return true }
            let now = self?.state.withLock { $0.programs[loaded.program]?.loaded }
            return now?.maps[loaded.name] === loaded
        }
        do {
            return try followers.join(key, form, bytes, filter, isCurrent: isCurrent)
        } catch {
            guard error.errno == .e2big else {
                throw loaded.refused(error, while: "follow the entries")
            }
            throw Problem(
                .unsupportedMapOperation,
                "Map \(loaded.path) has more than \(FollowScan.entryLimit) entries or "
                    + "\(FollowScan.byteLimit >> 20) MB, too many to compare: dump it.")
        }
    }
}
