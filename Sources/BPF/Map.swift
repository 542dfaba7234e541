internal import CLibbpf
public import Linux

/// What the kernel says of a map (`struct bpf_map_info`).
public struct MapInfo: Sendable {
    /// The kernel's id, reused after the map is gone: never a name.
    public let id: UInt32
    public let type: MapType
    /// At most 15 bytes: the kernel cuts longer names.
    public let name: String
    /// Bytes of a key; 0 for queues, stacks, bloom filters and ring buffers.
    public let keySize: Int
    /// Bytes of a value, of one CPU's value for per-CPU maps.
    public let valueSize: Int
    /// Entries; for a ring buffer the bytes of its data.
    public let maxEntries: Int
    /// `BPF_F_…` of map creation.
    public let flags: UInt32
    /// 0 where the map has no BTF.
    public let btfID: UInt32
    /// 0 where the key has no type.
    public let btfKeyType: UInt32
    /// 0 where the value has no type.
    public let btfValueType: UInt32
}

/// A map by its descriptor. Safe from any thread: the kernel orders the accesses.
///
/// The kernel keeps the map as long as this object lives, its pin exists or a program uses it.
public final class Map: Sendable {
    public let info: MapInfo
    let descriptor: FileDescriptor
    /// Bytes that a lookup gives: `valueSize`, or for a per-CPU map `valueSize` rounded up to 8 for
    /// each possible CPU.
    public let lookupBytes: Int

    /// Whether the kernel holds types for the map: `info.btfID` can be given to `KernelTypes`.
    public var holdsBTF: Bool { info.btfID != 0 }

    /// Opens the map pinned at `path`.
    /// - Throws: `ENOENT` no such pin; `EINVAL` the pin is not a map's; `EPERM`.
    public convenience init(pinned path: String) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(owning: check("bpf_obj_get", unsafe bpf_obj_get(path))))
    }

    /// - Throws: `ENOENT` no such map; `EPERM` without CAP_SYS_ADMIN.
    public convenience init(id: UInt32) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(
                owning: check("bpf_map_get_fd_by_id", bpf_map_get_fd_by_id(id))))
    }

    /// Takes over a descriptor of a map. - Throws: `EINVAL` where it is none of a map.
    public init(owning descriptor: consuming FileDescriptor) throws(BPFError) {
        try DescriptorKind.require(.map, of: descriptor.raw)
        var raw = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(
            "bpf_map_get_info_by_fd",
            unsafe bpf_map_get_info_by_fd(descriptor.raw, &raw, &length))
        let type = MapType(rawValue: raw.type)
        info = MapInfo(
            id: raw.id, type: type, name: objectName(&raw.name),
            keySize: Int(raw.key_size), valueSize: Int(raw.value_size),
            maxEntries: Int(raw.max_entries), flags: raw.map_flags, btfID: raw.btf_id,
            btfKeyType: raw.btf_key_type_id, btfValueType: raw.btf_value_type_id)
        lookupBytes =
            type.isPerCPU
            ? Self.perCPUStride(Int(raw.value_size)) * PossibleCPUs.count : Int(raw.value_size)
        self.descriptor = descriptor
    }

    /// The descriptor's number, for calls that take a map in a value. Lent: good as long as this
    /// object lives.
    public var lentDescriptor: Int32 { descriptor.raw }

    /// Whether `freeze` was called; nil where the kernel (before 5.2) does not tell.
    public var isFrozen: Bool? {
        DescriptorKind.information(of: descriptor.raw, "frozen").map { $0 != "0" }
    }

    /// Bytes from one CPU's value to the next in what a lookup gives.
    public static func perCPUStride(_ valueSize: Int) -> Int { (valueSize + 7) & ~7 }

    /// Forbids every later change from user space. There is no way back.
    /// - Throws: `EBUSY` the map is mapped writable somewhere, or frozen already.
    /// - Note: Kernel 5.2.
    public func freeze() throws(BPFError) {
        try check("bpf_map_freeze", bpf_map_freeze(descriptor.raw))
    }

    /// Pins the map at `path` in a bpffs.
    /// - Throws: `EEXIST`; `EPERM` where `path` is in no bpffs, and for a name with a dot.
    public func pin(_ path: String) throws(BPFError) {
        try check("bpf_obj_pin", unsafe bpf_obj_pin(descriptor.raw, path))
    }

    /// Memory in bytes as the kernel accounts it, from fdinfo `memlock`. From 6.4 on this is what
    /// is allocated; before, what the map may grow to.
    public func memoryBytes() -> Int? {
        DescriptorKind.information(of: descriptor.raw, "memlock").flatMap { Int($0) }
    }
}

/// A name in an info structure, up to its NUL.
func objectName<T>(_ field: inout T) -> String {
    unsafe withUnsafeBytes(of: &field) { bytes in
        // SAFETY: the bytes are the caller's structure, copied into the String here.
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
