public import BTF
internal import CLibbpf
internal import Linux
internal import Synchronization

/// Types that the kernel holds. Whoever asks for an id often keeps the answer: only the kernel's
/// own types are kept here.
public enum KernelTypes {
    private static let kernel = Mutex<BTFTypes?>(nil)

    /// The BTF with this id, from the kernel.
    /// - Throws: `ENOENT` no such id; `EPERM`; `EINVAL` what it holds cannot be understood.
    /// - Note: 0.03 ms and parsing.
    public static func types(id: UInt32) throws(BPFError) -> BTFTypes {
        let descriptor = FileDescriptor(
            owning: try check("bpf_btf_get_fd_by_id", bpf_btf_get_fd_by_id(id)))
        var bytes: [UInt8] = []
        bytes = try [UInt8](repeating: 0, count: readInfo(descriptor.raw, types: &bytes).size)
        let info = try readInfo(descriptor.raw, types: &bytes)
        guard info.isKernel else { return try parse(bytes, base: nil) }
        // Of the kernel's own there are two kinds: vmlinux, and modules that go on where it ends.
        return try parse(bytes, base: info.name == "vmlinux" ? nil : vmlinux())
    }

    /// /sys/kernel/btf/vmlinux, parsed once, 5 MB: 100 ms.
    /// - Throws: `ENOENT` a kernel without CONFIG_DEBUG_INFO_BTF.
    public static func vmlinux() throws(BPFError) -> BTFTypes {
        if let types = kernel.withLock({ $0 }) { return types }
        let path = "/sys/kernel/btf/vmlinux"
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch { throw BPFError("open(\(path))", error) }
        let types = try parse(bytes, base: nil)
        return kernel.withLock { kept in
            // Two threads may both have parsed: the first one's types are everybody's.
            if let kept { return kept }
            kept = types
            return types
        }
    }

    private static func parse(_ bytes: [UInt8], base: BTFTypes?) throws(BPFError) -> BTFTypes {
        do {
            return try BTFTypes(parsing: bytes, base: base)
        } catch {
            throw BPFError("btf", .einval, log: error.reason)
        }
    }

    /// As `types(id:)`, and the kernel's own are parsed once.
    public static func shared(id: UInt32) throws(BPFError) -> BTFTypes {
        let info = try info(id: id)
        return info.isKernel && info.name == "vmlinux" ? try vmlinux() : try types(id: id)
    }

    /// What the kernel says of a BTF object.
    /// - Throws: `ENOENT` no such id; `EPERM`.
    public static func info(id: UInt32) throws(BPFError) -> BTFObjectInfo {
        let descriptor = FileDescriptor(
            owning: try check("bpf_btf_get_fd_by_id", bpf_btf_get_fd_by_id(id)))
        var none: [UInt8] = []
        return try readInfo(descriptor.raw, types: &none)
    }

    /// - Parameter types: filled as far as it has room.
    private static func readInfo(_ raw: Int32, types: inout [UInt8]) throws(BPFError)
        -> BTFObjectInfo
    {
        do {
            return try readInfo(raw, types: &types, isNamed: true)
        } catch {
            // Before 5.11 the structure ends after the id, and no byte behind it may be set.
            guard error.errno == .e2big else { throw error }
            return try readInfo(raw, types: &types, isNamed: false)
        }
    }

    private static func readInfo(_ raw: Int32, types: inout [UInt8], isNamed: Bool)
        throws(BPFError) -> BTFObjectInfo
    {
        var info = bpf_btf_info()
        var length = UInt32(MemoryLayout<bpf_btf_info>.size)
        var name = [UInt8](repeating: 0, count: isNamed ? 64 : 0)
        let result = unsafe types.withUnsafeMutableBufferPointer { buffer in
            unsafe name.withUnsafeMutableBufferPointer { name in
                // SAFETY: the kernel writes at most btf_size and name_len bytes, within this call.
                info.btf_size = UInt32(buffer.count)
                info.btf = buffer.isEmpty ? 0 : UInt64(UInt(bitPattern: buffer.baseAddress))
                info.name_len = UInt32(name.count)
                info.name = name.isEmpty ? 0 : UInt64(UInt(bitPattern: name.baseAddress))
                return unsafe bpf_btf_get_info_by_fd(raw, &info, &length)
            }
        }
        try check("bpf_btf_get_info_by_fd", result)
        return BTFObjectInfo(
            size: Int(info.btf_size), isKernel: info.kernel_btf != 0,
            name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
    }
}

/// What the kernel says of a BTF object (`struct bpf_btf_info`).
public struct BTFObjectInfo: Sendable {
    /// Bytes of its types and strings.
    public let size: Int
    /// vmlinux's or a module's.
    public let isKernel: Bool
    /// `vmlinux`, or the module's; empty for a program's.
    public let name: String
}
