internal import CLibbpf
internal import Linux

/// What a perf or raw tracepoint link is attached to, by the names that the kernel tells.
public enum LinkTarget: Sendable, Hashable {
    case rawTracepoint(name: String)
    /// Without its category.
    case tracepoint(name: String)
    /// With ` (deleted)` at its end where the file has gone from its directory.
    case uprobe(file: String, offset: UInt32, isReturn: Bool)
    case kprobe(function: String, offset: UInt32, isReturn: Bool)
}

extension Link {
    /// The names behind a link; nil where the kernel tells none for the type.
    ///
    /// The members stand at their places in the kernel's structure, since the headers of build
    /// machines are older than they are.
    /// - Note: Kernel 6.6 for perf events, 5.8 for raw tracepoints.
    public func target() throws(BPFError) -> LinkTarget? {
        let info = try info()
        switch info.typeName {
        case "raw_tracepoint":
            let (name, _) = try named(pointerAt: 16, lengthAt: 24)
            return name.isEmpty ? nil : .rawTracepoint(name: name)
        case "perf_event":
            let (name, words) = try named(pointerAt: 24, lengthAt: 32)
            guard !name.isEmpty else { return nil }
            // linux/bpf.h: enum bpf_perf_event_type at 16; the offset at 36.
            switch words[4] {
            case 1, 2: return .uprobe(file: name, offset: words[9], isReturn: words[4] == 2)
            case 3, 4: return .kprobe(function: name, offset: words[9], isReturn: words[4] == 4)
            case 5: return .tracepoint(name: name)
            default: return nil
            }
        default: return nil
        }
    }

    private func named(pointerAt pointer: Int, lengthAt length: Int) throws(BPFError)
        -> (String, [UInt32])
    {
        var name = [UInt8](repeating: 0, count: 4096)
        var info = [UInt32](repeating: 0, count: 32)
        let result = unsafe name.withUnsafeMutableBytes { name in
            unsafe info.withUnsafeMutableBytes { info in
                // SAFETY: both buffers live until the call returns; the kernel writes no more than
                // the lengths that it is given.
                unsafe info.storeBytes(
                    of: UInt64(UInt(bitPattern: name.baseAddress)), toByteOffset: pointer,
                    as: UInt64.self)
                unsafe info.storeBytes(
                    of: UInt32(name.count), toByteOffset: length, as: UInt32.self)
                var size = UInt32(info.count)
                return unsafe bpf_obj_get_info_by_fd(descriptor.raw, info.baseAddress, &size)
            }
        }
        // Before 6.6 the two words are no part of the structure, and must be zero.
        if result == -E2BIG || result == -EINVAL { return ("", info) }
        try check("bpf_obj_get_info_by_fd", result)
        return (String(decoding: name.prefix { $0 != 0 }, as: UTF8.self), info)
    }
}
