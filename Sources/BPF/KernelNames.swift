internal import CLibbpf
internal import Linux

/// The kernel's own types as libbpf reads them, only to find ids by name.
///
/// `KernelTypes.vmlinux` would keep its parsed types for good; what the host can do is found out
/// once, so here they are read and let go.
@safe
struct KernelNames: ~Copyable {
    // SAFETY: made in init, freed in deinit, used by one thread.
    private let types: OpaquePointer

    /// - Throws: `ENOENT`, `ESRCH` a kernel without CONFIG_DEBUG_INFO_BTF.
    init() throws(BPFError) {
        guard let types = unsafe btf__load_vmlinux_btf() else {
            throw BPFError("btf__load_vmlinux_btf", Errno.current)
        }
        unsafe self.types = unsafe types
    }

    deinit { unsafe btf__free(types) }

    enum Kind: UInt32 { case structure = 4, typedef = 8, function = 12 }

    /// - Throws: `ENOENT` the kernel has none of this name.
    func id(of name: String, _ kind: Kind) throws(BPFError) -> UInt32 {
        let result = unsafe btf__find_by_name_kind(types, name, kind.rawValue)
        guard result > 0 else {
            throw BPFError(
                "btf__find_by_name_kind", .enoent, log: "the kernel's BTF has no \(name)")
        }
        return UInt32(result)
    }

    /// The index of a structure's member.
    func member(_ name: String, of structure: UInt32) throws(BPFError) -> UInt32 {
        if let type = unsafe btf__type_by_id(types, structure),
            let members = unsafe btf_members(type)
        {
            for index in 0..<UInt32(unsafe btf_vlen(type)) {
                let offset = unsafe members[Int(index)].name_off
                if let text = unsafe btf__name_by_offset(types, offset),
                    unsafe String(cString: text) == name
                {
                    return index
                }
            }
        }
        throw BPFError("btf__type_by_id", .enoent, log: "the kernel's BTF has no member \(name)")
    }
}
