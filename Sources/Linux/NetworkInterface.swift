internal import Glibc

/// Interfaces of the calling thread's network namespace.
public enum NetworkInterface {
    /// - Returns: nil where there is none of this name.
    public static func index(of name: String) -> UInt32? {
        // IFNAMSIZ: a longer name would be cut and might then be another's.
        guard name.utf8.count < 16 else { return nil }
        let index = unsafe if_nametoindex(name)
        return index == 0 ? nil : index
    }

    /// All names, in the kernel's order.
    public static func names() -> [String] {
        guard let list = unsafe if_nameindex() else { return [] }
        // SAFETY: the list is ours until it is freed below; its last entry has no name.
        defer { unsafe if_freenameindex(list) }
        var names: [String] = []
        var entry = unsafe list
        while let name = unsafe entry.pointee.if_name {
            unsafe names.append(String(cString: name))
            unsafe entry += 1
        }
        return names
    }
}
