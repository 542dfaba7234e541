internal import CLibbpf
internal import Linux

/// The value that registers a structure of the kernel's: its bytes, and which function's descriptor
/// goes to which place in them.
public struct StructureValue: Sendable, Hashable {
    /// As `bpf_map_update_elem` takes it, zeros where the descriptors come.
    public let bytes: [UInt8]
    /// The functions' kernel ids by their offset.
    public let functions: [Int: UInt32]

    public init(bytes: [UInt8], functions: [Int: UInt32]) {
        self.bytes = bytes
        self.functions = functions
    }
}

/// struct_ops without a link, the way of kernels before 6.4: a map is registered by its value, and
/// goes when its value is deleted. A map can be registered once only.
extension Map {
    /// An empty struct_ops map of the same structure.
    /// - Throws: `EINVAL` this is none, or the kernel has links for them and wants the flag.
    public func makeUnregistered() throws(BPFError) -> Map {
        var raw = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(
            "bpf_map_get_info_by_fd",
            unsafe bpf_map_get_info_by_fd(descriptor.raw, &raw, &length))
        let types = FileDescriptor(
            owning: try check("bpf_btf_get_fd_by_id", bpf_btf_get_fd_by_id(raw.btf_id)))
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.btf_fd = UInt32(types.raw)
        options.btf_vmlinux_value_type_id = raw.btf_vmlinux_value_type_id
        options.map_flags = raw.map_flags
        let made = unsafe bpf_map_create(
            bpf_map_type(rawValue: raw.type), info.name, raw.key_size, raw.value_size,
            raw.max_entries, &options)
        withExtendedLifetime(types) {}
        try check("bpf_map_create", made)
        return try Map(owning: FileDescriptor(owning: made))
    }

    /// Writes the value, by which the kernel registers the structure and holds the map.
    /// - Throws: `EEXIST` one of the name is registered; `EBUSY` this map was registered before;
    ///   `EINVAL` the structure lacks what it must have.
    public func register(_ value: StructureValue) throws(BPFError) {
        var bytes = value.bytes
        var programs: [Program] = []
        for (offset, id) in value.functions where offset >= 0 && offset + 8 <= bytes.count {
            let program = try Program(id: id)
            let number = UInt64(UInt32(bitPattern: program.descriptor.raw))
            for index in 0..<8 {
                bytes[offset + index] = UInt8(truncatingIfNeeded: number >> (8 * index))
            }
            programs.append(program)
        }
        defer { withExtendedLifetime(programs) {} }
        try update(Self.onlyKey.span, bytes.span, .any)
    }

    /// Deletes the value: the structure is nobody's choice any more. One that was not registered,
    /// or not any more, is fine.
    public func unregister() throws(BPFError) {
        var key: UInt32 = 0
        let result = unsafe bpf_map_delete_elem(descriptor.raw, &key)
        // EINPROGRESS: deleted before, and in use until its last user goes.
        if result == -Errno.enoent.rawValue || result == -Self.inProgress { return }
        try check("bpf_map_delete_elem", result)
    }

    /// Whether the structure is registered by this map's value.
    public var isRegistered: Bool {
        // linux: struct bpf_struct_ops_value is the count of references and the state.
        guard let value = try? lookup(Self.onlyKey.span), value.count >= 8 else { return false }
        return value[4] == 1  // BPF_STRUCT_OPS_STATE_INUSE
    }

    private static let onlyKey: [UInt8] = [0, 0, 0, 0]
    private static let inProgress: Int32 = 115
}
