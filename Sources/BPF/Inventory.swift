internal import CLibbpf
internal import Linux

/// Everything of a kind that the kernel holds, by ids, in their order. Needs CAP_SYS_ADMIN.
///
/// The list is no snapshot: an object may come or go while it is made, so opening an id of it may
/// well throw `ENOENT`.
public enum Inventory {
    /// - Throws: `EPERM`; `EINVAL` for links before 5.8.
    public static func ids(_ kind: KernelObjectKind) throws(BPFError) -> [UInt32] {
        switch kind {
        case .program: try programIDs()
        case .map: try mapIDs()
        case .link: try linkIDs()
        case .btf: try btfIDs()
        }
    }

    /// - Throws: `EPERM`.
    public static func programIDs() throws(BPFError) -> [UInt32] {
        try ids("bpf_prog_get_next_id") { unsafe bpf_prog_get_next_id($0, &$1) }
    }

    /// - Throws: `EPERM`.
    public static func mapIDs() throws(BPFError) -> [UInt32] {
        try ids("bpf_map_get_next_id") { unsafe bpf_map_get_next_id($0, &$1) }
    }

    /// - Throws: `EPERM`; `EINVAL` before 5.8.
    public static func linkIDs() throws(BPFError) -> [UInt32] {
        try ids("bpf_link_get_next_id") { unsafe bpf_link_get_next_id($0, &$1) }
    }

    /// - Throws: `EPERM`.
    public static func btfIDs() throws(BPFError) -> [UInt32] {
        try ids("bpf_btf_get_next_id") { unsafe bpf_btf_get_next_id($0, &$1) }
    }

    private static func ids(
        _ call: StaticString, _ next: (UInt32, inout UInt32) -> Int32
    ) throws(BPFError) -> [UInt32] {
        var ids: [UInt32] = []
        var id: UInt32 = 0
        while true {
            var following: UInt32 = 0
            let result = next(id, &following)
            if result == -ENOENT { return ids }
            try check(call, result)
            ids.append(following)
            id = following
        }
    }
}
