internal import BPF
internal import Loading

/// Refuses maps that are over what is left, before the kernel is asked for any.
enum MapQuota {
    static func check(_ request: LoadRequest, _ maps: [ObjectMap]) throws(LoadFailure) {
        let new = maps.filter { request.reusedMaps[$0.name] == nil }
        if let limit = request.mapLimit, new.count > limit {
            throw LoadFailure(
                .quota, "the object has \(new.count) maps, there is room for \(limit) (max_maps)")
        }
        guard let limit = request.mapMemoryLimitBytes else { return }
        var sum = 0
        for map in new {
            let cost = MapCost.bytes(
                type: MapType(rawValue: map.type), keySize: Int(map.keySize),
                valueSize: Int(map.valueSize), maxEntries: Int(map.maxEntries))
            sum = sum > .max - cost ? .max : sum + cost
            guard sum <= limit else {
                var failure = LoadFailure(
                    .quota,
                    "map \"\(map.name)\" would take about \(cost) bytes, \(sum) with those before "
                        + "it, and there is room for \(limit) (max_map_memory_bytes)")
                failure.map = map.name
                throw failure
            }
        }
    }
}
