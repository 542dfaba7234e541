/// What a map is, by the kernel's number (`enum bpf_map_type`).
public struct MapType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// bpftool's name, `percpu_hash`; `type 99` where this build knows none.
    public var name: String {
        rawValue < Self.names.count ? Self.names[Int(rawValue)] : "type \(rawValue)"
    }

    /// The type of this name of bpftool's; `nil` for a name that this build does not know.
    public init?(name: String) {
        guard let index = Self.names.firstIndex(of: name) else { return nil }
        self.init(rawValue: UInt32(index))
    }

    /// Whether an entry has a value for each possible CPU.
    public var isPerCPU: Bool {
        switch self {
        case .percpuHash, .percpuArray, .lruPercpuHash, .percpuCgroupStorage: true
        default: false
        }
    }

    public static let hash = MapType(rawValue: 1)
    public static let array = MapType(rawValue: 2)
    public static let progArray = MapType(rawValue: 3)
    public static let perfEventArray = MapType(rawValue: 4)
    public static let percpuHash = MapType(rawValue: 5)
    public static let percpuArray = MapType(rawValue: 6)
    public static let stackTrace = MapType(rawValue: 7)
    public static let cgroupArray = MapType(rawValue: 8)
    public static let lruHash = MapType(rawValue: 9)
    public static let lruPercpuHash = MapType(rawValue: 10)
    public static let lpmTrie = MapType(rawValue: 11)
    public static let arrayOfMaps = MapType(rawValue: 12)
    public static let hashOfMaps = MapType(rawValue: 13)
    public static let devmap = MapType(rawValue: 14)
    public static let sockmap = MapType(rawValue: 15)
    public static let cpumap = MapType(rawValue: 16)
    public static let xskmap = MapType(rawValue: 17)
    public static let sockhash = MapType(rawValue: 18)
    public static let cgroupStorage = MapType(rawValue: 19)
    public static let reuseportSockarray = MapType(rawValue: 20)
    public static let percpuCgroupStorage = MapType(rawValue: 21)
    public static let queue = MapType(rawValue: 22)
    public static let stack = MapType(rawValue: 23)
    public static let skStorage = MapType(rawValue: 24)
    public static let devmapHash = MapType(rawValue: 25)
    public static let structOps = MapType(rawValue: 26)
    public static let ringbuf = MapType(rawValue: 27)
    public static let inodeStorage = MapType(rawValue: 28)
    public static let taskStorage = MapType(rawValue: 29)
    public static let bloomFilter = MapType(rawValue: 30)
    public static let userRingbuf = MapType(rawValue: 31)
    public static let cgrpStorage = MapType(rawValue: 32)
    public static let arena = MapType(rawValue: 33)
    public static let insnArray = MapType(rawValue: 34)

    /// Every type with a name here, without 0, in the kernel's order.
    public static var all: [MapType] {
        (1..<UInt32(names.count)).map { MapType(rawValue: $0) }
    }

    // linux: include/uapi/linux/bpf.h up to 6.18; the words are bpftool's and libbpf's.
    private static let names = [
        "unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash",
        "percpu_array", "stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie",
        "array_of_maps", "hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash",
        "cgroup_storage", "reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack",
        "sk_storage", "devmap_hash", "struct_ops", "ringbuf", "inode_storage", "task_storage",
        "bloom_filter", "user_ringbuf", "cgrp_storage", "arena", "insn_array",
    ]
}

extension MapType {
    /// Whether keys are the indexes 0 to `max_entries - 1`, all of which exist and none of which
    /// can be deleted.
    public var isArray: Bool { self == .array || self == .percpuArray }
}
