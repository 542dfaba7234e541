/// What a map costs, reckoned before the kernel is asked: a bound to refuse by, not the kernel's
/// own charge, which `memory_bytes` of a loaded map tells.
public enum MapCost {
    /// The kernel's struct of a hash map's element, and its share of the buckets.
    private static let elementBytes = 64
    private static let perCPUTypes: Set<String> = [
        "percpu_hash", "percpu_array", "lru_percpu_hash", "percpu_cgroup_storage",
    ]

    /// In bytes; large numbers stay at `Int.max`.
    public static func bytes(type: MapType, keySize: Int, valueSize: Int, maxEntries: Int) -> Int {
        let name = type.name
        if name == "ringbuf" || name == "user_ringbuf" { return maxEntries }
        let value = rounded(valueSize)
        let copies = perCPUTypes.contains(name) ? PossibleCPUs.count : 1
        let isArray = name.hasSuffix("array") || name == "queue" || name == "stack"
        let entry = isArray ? 0 : rounded(keySize) + elementBytes
        let (values, tooWide) = value.multipliedReportingOverflow(by: copies)
        guard !tooWide else { return .max }
        let (all, tooMany) = (values + entry).multipliedReportingOverflow(by: maxEntries)
        return tooMany ? .max : all
    }

    private static func rounded(_ size: Int) -> Int { (size + 7) / 8 * 8 }
}
