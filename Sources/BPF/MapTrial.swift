internal import CLibbpf
internal import Linux

/// The smallest map of a type, to find out whether the kernel has it.
struct MapTrial {
    let type: MapType

    func ability() -> Ability {
        // Only made beside its functions, and not tried on purpose (HostProbe+Tracing.swift).
        if type == .structOps {
            return HostProbe.unknown(
                type.name, "not tried: see the attach kind struct_ops", needs: needs)
        }
        return HostProbe.row(type.name, needs: needs) { () throws(BPFError) in _ = try create() }
    }

    /// - Throws: `EINVAL`, `ENOTSUPP` no such type; `EPERM`.
    func create() throws(BPFError) -> Map {
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.map_flags = shape.flags
        let inner: Map?
        switch type {
        case .arrayOfMaps, .hashOfMaps:
            let map = try MapTrial(type: .array).create()
            options.inner_map_fd = UInt32(map.descriptor.raw)
            inner = map
        default: inner = nil
        }
        var types: Int32 = -1
        if isStorage {
            types = try TinyTypes.load().release()
            options.btf_fd = UInt32(types)
            options.btf_key_type_id = TinyTypes.integer
            options.btf_value_type_id = TinyTypes.integer
        }
        defer { if types >= 0 { _ = FileDescriptor(owning: types) } }
        let result = unsafe bpf_map_create(
            bpf_map_type(rawValue: type.rawValue), "apiary_try", shape.key, shape.value,
            shape.entries, &options)
        withExtendedLifetime(inner) {}
        try check("bpf_map_create", result)
        return try Map(owning: FileDescriptor(owning: result))
    }

    /// Maps that hang on an object of the kernel's, and must have types.
    private var isStorage: Bool {
        switch type {
        case .skStorage, .inodeStorage, .taskStorage, .cgrpStorage: true
        default: false
        }
    }

    private struct Shape {
        var key: UInt32 = 4
        var value: UInt32 = 4
        var entries: UInt32 = 1
        var flags: UInt32 = 0
    }

    private var shape: Shape {
        let withoutPreallocation: UInt32 = 1  // BPF_F_NO_PREALLOC
        switch type {
        case .stackTrace: return Shape(value: 8)
        case .lpmTrie: return Shape(key: 8, flags: withoutPreallocation)
        case .cgroupStorage, .percpuCgroupStorage: return Shape(key: 8, entries: 0)
        case .queue, .stack, .bloomFilter: return Shape(key: 0)
        case .ringbuf, .userRingbuf:
            return Shape(key: 0, value: 0, entries: UInt32(PageSize.bytes))
        case .skStorage, .inodeStorage, .taskStorage, .cgrpStorage:
            return Shape(entries: 0, flags: withoutPreallocation)
        case .arena: return Shape(key: 0, value: 0, flags: 1 << 10)  // BPF_F_MMAPABLE
        case .insnArray: return Shape(value: 16)
        default: return Shape()
        }
    }

    /// linux: the release that brought the type (isovalent/ebpf-docs:data/feature-versions.yaml).
    private var needs: String {
        let versions: [MapType: String] = [
            .hash: "3.19", .array: "3.19", .progArray: "4.2", .perfEventArray: "4.3",
            .percpuHash: "4.6", .percpuArray: "4.6", .stackTrace: "4.6", .cgroupArray: "4.8",
            .lruHash: "4.10", .lruPercpuHash: "4.10", .lpmTrie: "4.11", .arrayOfMaps: "4.12",
            .hashOfMaps: "4.12", .devmap: "4.14", .sockmap: "4.14", .cpumap: "4.15",
            .xskmap: "4.18", .sockhash: "4.18", .cgroupStorage: "4.19",
            .reuseportSockarray: "4.19", .percpuCgroupStorage: "4.20", .queue: "4.20",
            .stack: "4.20", .skStorage: "5.2", .devmapHash: "5.4", .structOps: "5.6",
            .ringbuf: "5.8", .inodeStorage: "5.10", .taskStorage: "5.11", .bloomFilter: "5.16",
            .userRingbuf: "6.1", .cgrpStorage: "6.2", .arena: "6.9", .insnArray: "6.19",
        ]
        return versions[type].map { "kernel \($0)" } ?? "a kernel that has it"
    }
}
