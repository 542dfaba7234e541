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

    /// Before 6.4 a map is registered by its value, and so not at the load: the value is told, and
    /// written when the map is attached.
    /// - Returns: by the maps' names; empty where the kernel has links.
    static func structures(_ maps: [ObjectMap], _ functions: [ObjectFunction])
        throws(LoadFailure) -> [String: LoadReport.Structure]
    {
        guard !hasLinks, maps.contains(where: \.isStructOps) else { return [:] }
        let types: KernelStructures
        do { types = try KernelStructures() } catch {
            throw LoadFailure(.btf, "the kernel's types cannot be read: \(error)", errno: error)
        }
        var structures: [String: LoadReport.Structure] = [:]
        for map in maps where map.isStructOps {
            do throws(Errno) {
                structures[map.name] = structure(
                    try map.structOpsValue(), types.members(ofValue: map.kernelValueType),
                    functions)
            } catch {
                throw LoadFailure(
                    .map, "the value of struct_ops map \"\(map.name)\" cannot be read: \(error)",
                    errno: error, libbpfLog: LibbpfLog.text)
            }
        }
        return structures
    }

    /// - Parameter members: where in the value the structure's members are, by their numbers, which
    ///   are the functions' attach types.
    private static func structure(
        _ value: [UInt8], _ members: [UInt32: Int], _ functions: [ObjectFunction]
    ) -> LoadReport.Structure {
        var structure = LoadReport.Structure(bytes: value, functions: [:])
        for function in functions where function.type == BPF_PROG_TYPE_STRUCT_OPS {
            guard let offset = members[function.attachType], offset + 8 <= value.count,
                value.u64(offset) == UInt64(UInt32(bitPattern: function.descriptor))
            else { continue }
            structure.functions[offset] = function.name
            for index in 0..<8 { structure.bytes[offset + index] = 0 }
        }
        return structure
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
