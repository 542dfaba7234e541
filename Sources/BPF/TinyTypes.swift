internal import CLibbpf
internal import Linux

/// The smallest BTF that storage maps and replacing programs can do with:
/// `int apiary_try(struct xdp_md *)`.
enum TinyTypes {
    static let integer: UInt32 = 1
    static let function: UInt32 = 5

    /// - Throws: `EPERM`; `EINVAL` a kernel without BTF.
    static func load() throws(BPFError) -> FileDescriptor {
        let strings = Array("\0int\0xdp_md\0context\0apiary_try\0".utf8)
        let (int, xdp, context, name) = (UInt32(1), UInt32(5), UInt32(12), UInt32(20))
        // struct btf_type: name, kind << 24 | members, size or type; then what the kind has.
        let types: [UInt32] = [
            int, 1 << 24, 4, 1 << 24 | 32,  // 1: int, signed, 32 bits
            xdp, 4 << 24, 4,  // 2: struct xdp_md, without members
            0, 2 << 24, 2,  // 3: a pointer to it
            0, 13 << 24 | 1, 1, context, 3,  // 4: int (struct xdp_md *context)
            name, 12 << 24 | 1, 4,  // 5: a global function of that type
        ]
        let typeBytes = UInt32(types.count * 4)
        // struct btf_header: magic, version, flags, length, and where types and strings are.
        let header: [UInt32] = [
            0xeb9f | 1 << 16, 24, 0, typeBytes, typeBytes, UInt32(strings.count),
        ]
        var blob: [UInt8] = []
        for word in header + types {
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                blob.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        blob += strings
        let result = unsafe blob.withUnsafeBytes { blob in
            unsafe bpf_btf_load(blob.baseAddress, blob.count, nil)
        }
        return FileDescriptor(owning: try check("bpf_btf_load", result))
    }
}
