public import BPF
internal import Problems

/// What can be done with the entries of a map.
public enum MapUse: String, Sendable, CaseIterable {
    case read, write, delete, iterate, push, pop, peek
}

extension MapUse {
    var isChange: Bool { [.write, .delete, .push, .pop].contains(self) }

    fileprivate var participle: String {
        switch self {
        case .read: "read"
        case .write: "written"
        case .delete: "deleted"
        case .iterate: "walked"
        case .push: "pushed"
        case .pop: "popped"
        case .peek: "peeked at"
        }
    }
}

/// What the kernel allows user space to do with the entries of one type of map, what this daemon
/// makes of it, and where to go for the rest. docs/maps.md prints the table.
public struct MapAbilities: Sendable {
    public let type: MapType
    public let uses: Set<MapUse>
    /// A clause for refusals: what to do instead.
    public let instead: String

    /// The row of the type; a type that is not known here allows nothing.
    public static func of(_ type: MapType) -> MapAbilities {
        byType[type]
            ?? MapAbilities(type: type, uses: [], instead: "this build does not know the type")
    }

    private static let byType = Dictionary(uniqueKeysWithValues: table.map { ($0.type, $0) })

    private static func row(_ type: MapType, _ uses: [MapUse], _ instead: String = "")
        -> MapAbilities
    {
        MapAbilities(type: type, uses: Set(uses), instead: instead)
    }

    private static let all: [MapUse] = [.read, .write, .delete, .iterate]

    /// One row a type, in the kernel's order. Each is what kernel/bpf and net/core have for
    /// `map_lookup_elem`, `map_update_elem`, `map_delete_elem` and `map_get_next_key` of the type.
    public static let table: [MapAbilities] = [
        row(.hash, all),
        row(.array, [.read, .write, .iterate], "entries of arrays stay: write zeros"),
        row(.progArray, all, "the function is of the same program: {\"function\":\"name\"}"),
        row(
            .perfEventArray, [],
            "its slots are perf buffers of one reader: use a ring buffer and /v1/events"),
        row(.percpuHash, all),
        row(.percpuArray, [.read, .write, .iterate], "entries of arrays stay: write zeros"),
        row(
            .stackTrace, [.read, .delete, .iterate],
            "only bpf_get_stackid in the program writes stacks"),
        row(
            .cgroupArray, [.write, .delete],
            "the kernel does not tell which cgroups it holds: remember what was written"),
        row(.lruHash, all),
        row(.lruPercpuHash, all),
        row(.lpmTrie, all),
        row(.arrayOfMaps, all, "the value is a map: {\"map\":\"program/map\"}"),
        row(.hashOfMaps, all, "the value is a map: {\"map\":\"program/map\"}"),
        row(.devmap, all),
        row(.sockmap, [.read, .write, .delete, .iterate], sockets),
        row(.cpumap, all),
        row(.xskmap, [.write, .delete], "the kernel does not tell which sockets it holds"),
        row(.sockhash, [.read, .write, .delete, .iterate], sockets),
        row(
            .cgroupStorage, [.read, .write, .iterate],
            "its entries come and go with the attachment to the cgroup"),
        row(.reuseportSockarray, [.read, .write, .delete], sockets),
        row(
            .percpuCgroupStorage, [.read, .write, .iterate],
            "its entries come and go with the attachment to the cgroup"),
        row(.queue, [.push, .pop, .peek], "it has no keys: use …/push, …/pop, …/peek"),
        row(.stack, [.push, .pop, .peek], "it has no keys: use …/push, …/pop, …/peek"),
        row(
            .skStorage, [.read, .write, .delete],
            "its keys are sockets, {\"pid\":1,\"fd\":3}, and cannot be walked: attach an iter "
                + "program (iter/bpf_sk_storage_map)"),
        row(.devmapHash, all),
        row(.structOps, [.read, .iterate], "attach it as a probe of kind struct_ops"),
        row(.ringbuf, [], "its records are at /v1/events?program={program}&map={map}"),
        row(
            .inodeStorage, [.read, .write, .delete],
            "its keys are files, {\"path\":\"/etc/passwd\"}, and cannot be walked"),
        row(
            .taskStorage, [.read, .write, .delete],
            "its keys are process ids and cannot be walked: attach an iter program (iter/task)"),
        row(
            .bloomFilter, [.push, .peek],
            "it has no keys and forgets nothing: use …/push, and …/peek to ask for a value"),
        row(.userRingbuf, [.push], "records go in by …/push and only the program reads them"),
        row(
            .cgrpStorage, [.read, .write, .delete],
            "its keys are cgroups, {\"path\":\"/sys/fs/cgroup/…\"}, and cannot be walked: attach "
                + "an iter program (iter/cgroup)"),
        row(.arena, [], "it is memory that programs share and has no entries: read its /globals"),
        row(.insnArray, [.read, .iterate], "its instructions are fixed at load"),
    ]

    /// Whether keys are the numbers 0 to `max_entries - 1`.
    static func isIndexed(_ type: MapType) -> Bool {
        switch type {
        case .array, .percpuArray, .progArray, .perfEventArray, .cgroupArray, .arrayOfMaps, .devmap,
            .cpumap, .xskmap, .sockmap, .reuseportSockarray, .insnArray, .stackTrace:
            true
        default: false
        }
    }

    /// `instead` as a sentence.
    var hint: String { instead.prefix(1).uppercased() + instead.dropFirst() + "." }

    private static let sockets =
        "sockets are shown by their cookie and set by {\"pid\":1,\"fd\":3}; the kernel gives the "
        + "cookie where the map's values have 8 bytes"
}

extension LoadedMap {
    /// - Throws: `unsupported_map_operation`, with the reason and the place to go.
    func require(_ use: MapUse) throws(Problem) {
        let info = map.info
        if use.isChange && flags & MapFlags.readOnly != 0 {
            throw Problem(
                .unsupportedMapOperation,
                "Map \(name) was made read-only for user space (BPF_F_RDONLY).")
        }
        if !use.isChange && flags & MapFlags.writeOnly != 0 {
            throw Problem(
                .unsupportedMapOperation,
                "Map \(name) was made write-only for user space (BPF_F_WRONLY).")
        }
        let abilities = abilities
        guard !abilities.uses.contains(use) else { return }
        var instead = abilities.instead
        if info.type == .ringbuf {
            instead = "its records are at /v1/events?program=\(program)&map=\(name)"
        }
        throw Problem(
            .unsupportedMapOperation,
            "Map \(name) is of type \(info.type.name), whose entries cannot be \(use.participle)"
                + (instead.isEmpty ? "." : ": \(instead)."))
    }
}

/// `BPF_F_…` of map creation (linux: include/uapi/linux/bpf.h).
public enum MapFlags {
    static let readOnly: UInt32 = 1 << 3
    static let writeOnly: UInt32 = 1 << 4

    private static let names: [(UInt32, String)] = [
        (1 << 0, "no_prealloc"), (1 << 1, "no_common_lru"), (1 << 2, "numa_node"),
        (1 << 3, "rdonly"), (1 << 4, "wronly"), (1 << 5, "stack_build_id"), (1 << 6, "zero_seed"),
        (1 << 7, "rdonly_prog"), (1 << 8, "wronly_prog"), (1 << 9, "clone"), (1 << 10, "mmapable"),
        (1 << 11, "preserve_elems"), (1 << 12, "inner_map"), (1 << 13, "link"),
    ]

    /// The kernel's names in lower case without `BPF_F_`; of bits without a name here, nothing.
    public static func names(in flags: UInt32) -> [String] {
        names.filter { flags & $0.0 != 0 }.map(\.1)
    }
}
