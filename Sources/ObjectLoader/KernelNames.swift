internal import CLibbpf

/// Names in an object's BTF, spelled so that the kernel takes them.
///
/// For one that it does not take, C's `cost$` or Rust's `Option<u32>`, it refuses all of the
/// object's BTF (`btf_name_valid_identifier` in kernel/bpf/btf.c), and libbpf then loads the object
/// without: nothing of it would have a type.
@safe struct KernelNames {
    /// KSYM_NAME_LEN: the kernel refuses a name of so many bytes whatever is in it.
    private static let limit = 512

    // Keeps alive what the types belong to.
    private let object: OpenObject

    init(_ object: OpenObject) { self.object = object }

    /// Puts `_` in the place of each character that no such name may have.
    func spell() {
        guard let types = unsafe object.types else { return }
        let count = unsafe btf__type_cnt(types)
        for id in 1..<max(count, 1) {
            guard let type = unsafe btf__type_by_id(types, id) else { continue }
            let kind = unsafe UInt32(btf_kind(type))
            if Self.isIdentified(kind) { unsafe spell(type.pointee.name_off, types) }
            guard let stride = Self.partSize(kind) else { continue }
            // SAFETY: so many parts follow the type, which libbpf checked against the blob's end
            // when the object was opened; each kind of part begins with its name.
            let parts = unsafe UnsafeRawPointer(type) + MemoryLayout<btf_type>.size
            for part in 0..<Int(unsafe btf_vlen(type)) {
                unsafe spell(parts.load(fromByteOffset: part * stride, as: UInt32.self), types)
            }
        }
    }

    private func spell(_ offset: UInt32, _ types: OpaquePointer) {
        guard offset > 0, let text = unsafe btf__name_by_offset(types, offset) else { return }
        // SAFETY: libbpf's own copy of the object's BTF, which is ours alone and ends each text
        // with a NUL. Written in place, since libbpf keeps pointers to names of externs.
        let name = unsafe UnsafeMutablePointer(mutating: text)
        for index in 0..<Self.limit {
            let byte = unsafe UInt8(bitPattern: name[index])
            if byte == 0 { return }
            if !Self.isAllowed(byte) { unsafe name[index] = CChar(UInt8(ascii: "_")) }
        }
    }

    /// Whether the kernel wants an identifier for the kind's name: of integers, sections and tags
    /// it takes any.
    private static func isIdentified(_ kind: UInt32) -> Bool {
        // BTF_KIND_STRUCT, UNION, ENUM, FWD, TYPEDEF, FUNC, VAR, ENUM64
        [4, 5, 6, 7, 8, 12, 14, 19].contains(kind)
    }

    /// Bytes of a member, an enumerator or a parameter; nil: the kind has no parts with names.
    private static func partSize(_ kind: UInt32) -> Int? {
        switch kind {
        case 4, 5, 19: 12  // BTF_KIND_STRUCT, UNION, ENUM64
        case 6, 13: 8  // BTF_KIND_ENUM, FUNC_PROTO
        default: nil
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
