internal import CLibbpf
internal import Linux

/// The kernel's types, read to find the places of members in the values of struct_ops maps.
@safe
struct KernelStructures: ~Copyable {
    // SAFETY: made in init, freed in deinit, used by one thread.
    private let types: OpaquePointer

    /// - Throws: `ENOENT`, `ESRCH` a kernel without CONFIG_DEBUG_INFO_BTF.
    init() throws(Errno) {
        guard let types = unsafe btf__load_vmlinux_btf() else { throw Errno.current }
        unsafe self.types = unsafe types
    }

    deinit { unsafe btf__free(types) }

    /// Offsets in the value of the members of the structure that is its last member, by number.
    func members(ofValue type: UInt32) -> [UInt32: Int] {
        let outer = list(type)
        guard let data = outer.last else { return [:] }
        let inner = list(data.type)
        var offsets: [UInt32: Int] = [:]
        for (index, member) in inner.enumerated() {
            offsets[UInt32(index)] = data.offset + member.offset
        }
        return offsets
    }

    private func list(_ type: UInt32) -> [(type: UInt32, offset: Int)] {
        guard let structure = unsafe btf__type_by_id(types, type),
            let first = unsafe btf_members(structure)
        else { return [] }
        // SAFETY: libbpf checked that so many members follow the type.
        return unsafe (0..<Int(btf_vlen(structure))).map { index in
            let bits = unsafe btf_member_bit_offset(structure, UInt32(index))
            return (unsafe first[index].type, Int(bits / 8))
        }
    }
}
