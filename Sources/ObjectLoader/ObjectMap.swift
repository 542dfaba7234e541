internal import CLibbpf
internal import Glibc
internal import Linux

/// A `struct bpf_map` of an open object, which must outlive it.
@safe struct ObjectMap {
    private let map: OpaquePointer
    /// As the object says: `counts`, `.rodata`.
    let name: String
    /// Made by libbpf for a section of global variables.
    let isInternal: Bool

    // SAFETY: libbpf's string lives as long as the object; it is copied at once.
    @unsafe init(_ map: OpaquePointer) {
        unsafe self.map = unsafe map
        isInternal = unsafe bpf_map__is_internal(map)
        let full = unsafe String(cString: bpf_map__name(map))
        // `apiary.rodata` is the section `.rodata`; `.rodata.tables` comes as it is.
        name = isInternal ? String(full.drop { $0 != "." }) : full
    }

    var type: UInt32 { unsafe bpf_map__type(map).rawValue }
    var keySize: UInt32 { unsafe bpf_map__key_size(map) }
    var valueSize: UInt32 { unsafe bpf_map__value_size(map) }
    var maxEntries: UInt32 { unsafe bpf_map__max_entries(map) }
    var flags: UInt32 { unsafe bpf_map__map_flags(map) }

    /// BTF ids of the object's own types; 0 where it declares none, and after the load of a type of
    /// map with which the kernel takes none.
    var keyType: UInt32 { unsafe bpf_map__btf_key_type_id(map) }
    var valueType: UInt32 { unsafe bpf_map__btf_value_type_id(map) }

    var typeName: String { Self.typeName(type) }

    /// libbpf's name, `array`; `type 999` where it knows none.
    static func typeName(_ type: UInt32) -> String {
        guard let text = unsafe libbpf_bpf_map_type_str(bpf_map_type(rawValue: type)) else {
            return "type \(type)"
        }
        return unsafe String(cString: text)
    }

    /// Negative where it was not created.
    var descriptor: Int32 { unsafe bpf_map__fd(map) }

    var isEventMap: Bool {
        type == BPF_MAP_TYPE_RINGBUF.rawValue || type == BPF_MAP_TYPE_PERF_EVENT_ARRAY.rawValue
    }

    var isStructOps: Bool { type == BPF_MAP_TYPE_STRUCT_OPS.rawValue }

    /// SEC(".struct_ops") becomes SEC(".struct_ops.link") where the kernel has that, since 6.4: a
    /// map without links registers itself with its value, and nothing but its value. An older
    /// kernel knows only that, so there it is the other way round.
    func setLinkable(_ isLinkable: Bool) {
        guard isStructOps else { return }
        _ = unsafe bpf_map__set_map_flags(
            map, isLinkable ? flags | Self.linkFlag : flags & ~Self.linkFlag)
    }

    /// BPF_F_LINK, which older headers lack.
    private static let linkFlag: UInt32 = 1 << 13

    /// Writes the value of a loaded struct_ops map: with it a link can be made later, and from the
    /// descriptor alone.
    ///
    /// libbpf keeps the value to itself, and writes it only on the way to a link. So it is let go
    /// as far as that: links are forbidden to this process by seccomp before, and nothing is
    /// attached, not even for a moment.
    /// - Returns: why the kernel did not take the value, `nil` where it did.
    func writeStructOps() -> Errno? {
        guard isStructOps, flags & Self.linkFlag != 0 else { return nil }
        let link = unsafe bpf_map__attach_struct_ops(map)
        let failure = Errno.current
        guard unsafe link == nil else {
            preconditionFailure("a link was made although seccomp forbids it")
        }
        return failure == .eperm ? nil : failure
    }

    /// The value that would register a loaded struct_ops map, with descriptors of this process
    /// where functions are.
    ///
    /// libbpf keeps it to itself and writes it to the map's descriptor, by which the kernel would
    /// register it: so for that one call an array's stands in its place.
    func structOpsValue() throws(Errno) -> [UInt8] {
        let own = descriptor
        let size = valueSize
        let array = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "apiary_value", 4, size, 1, nil)
        guard array >= 0 else { throw Errno(rawValue: -array) }
        let stand = FileDescriptor(owning: array)
        let kept = dup(own)
        guard kept >= 0 else { throw Errno.current }
        let saved = FileDescriptor(owning: kept)
        guard dup2(stand.raw, own) >= 0 else { throw Errno.current }
        // Kept until the process ends: its destruction would delete the value.
        let link = unsafe bpf_map__attach_struct_ops(map)
        let failure = Errno.current
        guard dup2(saved.raw, own) >= 0 else {
            preconditionFailure("a struct_ops map cannot be put back: \(Errno.current)")
        }
        guard unsafe link != nil else { throw failure }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var key: UInt32 = 0
        // SAFETY: the kernel writes the array's value, `size` bytes, within the call.
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe bpf_map_lookup_elem(stand.raw, &key, buffer.baseAddress)
        }
        guard result == 0 else { throw Errno(rawValue: -result) }
        return bytes
    }

    /// The kernel's type of the value; 0 for every map but struct_ops.
    var kernelValueType: UInt32 {
        var information = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        let result = unsafe bpf_map_get_info_by_fd(descriptor, &information, &length)
        return result == 0 ? information.btf_vmlinux_value_type_id : 0
    }

    /// `LIBBPF_PIN_BY_NAME` asks for a path that an object has no say in.
    func clearPinPath() {
        _ = unsafe bpf_map__set_pin_path(map, nil)
    }

    /// - Returns: why libbpf refuses it, `nil` where it is set.
    func setMaxEntries(_ count: UInt32) -> Errno? {
        let result = unsafe bpf_map__set_max_entries(map, count)
        return result < 0 ? Errno(rawValue: -result) : nil
    }

    /// - Parameter descriptor: duplicated; stays the caller's.
    func reuse(_ descriptor: Int32) -> Errno? {
        let result = unsafe bpf_map__reuse_fd(map, descriptor)
        return result < 0 ? Errno(rawValue: -result) : nil
    }

    /// Bytes that the map starts with; 0 for a map without such a value.
    var initialBytes: Int {
        var size = 0
        return unsafe bpf_map__initial_value(map, &size) == nil ? 0 : size
    }

    /// Writes a part of the value that the map starts with.
    /// - Returns: false where it does not fit.
    func setInitialValue(_ bytes: [UInt8], at offset: Int) -> Bool {
        var size = 0
        guard let start = unsafe bpf_map__initial_value(map, &size), offset >= 0,
            offset <= size, bytes.count <= size - offset
        else { return false }
        // SAFETY: libbpf's own mapping of `size` bytes, writable until the load; checked above.
        unsafe UnsafeMutableRawBufferPointer(start: start + offset, count: bytes.count)
            .copyBytes(from: bytes)
        return true
    }
}
