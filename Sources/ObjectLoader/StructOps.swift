internal import CLibbpf
internal import Linux
internal import Loading

/// Maps that stand for a structure of the kernel's: prepared at the load, linked later.
enum StructOps {
    /// Whether the kernel has links for them: since 6.4.
    static var hasLinks: Bool {
        let release = FileSystem.text("/proc/sys/kernel/osrelease") ?? ""
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 4)
    }

    /// - Throws: `map` where the kernel does not take a value.
    static func writeValues(_ maps: [ObjectMap]) throws(LoadFailure) {
        guard hasLinks, maps.contains(where: \.isStructOps) else { return }
        guard apiary_forbid_links() == 0 else {
            throw LoadFailure(
                .map, "a struct_ops map cannot be prepared: seccomp gave \(Errno.current)",
                errno: Errno.current)
        }
        for map in maps {
            guard let failure = map.writeStructOps() else { continue }
            throw LoadFailure(
                .map,
                "the kernel does not take the value of struct_ops map \"\(map.name)\": \(failure)",
                errno: failure, libbpfLog: LibbpfLog.text)
        }
    }

    /// BPF_STRUCT_OPS, which older headers lack.
    private static let attachType = bpf_attach_type(rawValue: 44)

    /// Registers a map by a link and pins it. In a process of its own: where an earlier slip in the
    /// kernel's code has left its lock taken, this call does not come back.
    static func link(map: borrowing FileDescriptor, pin: String) throws(LoadFailure) {
        let link = bpf_link_create(map.raw, 0, Self.attachType, nil)
        guard link >= 0 else {
            let errno = Errno(rawValue: -link)
            throw LoadFailure(.request, "bpf_link_create gave \(errno)", errno: errno)
        }
        let result = unsafe bpf_obj_pin(link, pin)
        guard result < 0 else { return }
        let errno = Errno(rawValue: -result)
        throw LoadFailure(.pin, "the link cannot be pinned: \(errno)", errno: errno)
    }
}
