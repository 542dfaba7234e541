internal import CLibbpf
internal import Glibc
internal import Linux
internal import Loading

/// An object that libbpf has opened, and later loaded. One thread.
@safe final class OpenObject {
    private let object: OpaquePointer
    /// Entry points in the object's order.
    let functions: [ObjectFunction]
    /// Declared maps and those that libbpf makes for global variables, in libbpf's order.
    let maps: [ObjectMap]

    /// What libbpf puts before the names of maps for global variables: `apiary.rodata`.
    static let name = "apiary"

    /// - Parameter input: a file that cannot change any more.
    init(_ input: borrowing FileDescriptor) throws(LoadFailure) {
        let size: Int
        do { size = try input.size() } catch {
            throw LoadFailure(.elf, "the object cannot be read: \(error)", errno: error)
        }
        // Private and writable: libelf may swap and relocate in place.
        let address = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, input.raw, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw LoadFailure(
                .elf, "the object of \(size) bytes cannot be mapped", errno: Errno.current)
        }
        // The kernel's /sys/fs/bpf is no business of an object: no token is made from it.
        unsafe setenv("LIBBPF_BPF_TOKEN_PATH", "", 1)
        // SAFETY: the mapping stays until the process ends; the name lives during the call, and
        // libbpf copies it.
        let opened = unsafe Self.name.withCString { name in
            var options = unsafe bpf_object_open_opts()
            unsafe options.sz = unsafe MemoryLayout.size(ofValue: options)
            unsafe options.object_name = unsafe name
            return unsafe bpf_object__open_mem(address, size, &options)
        }
        let failure = Errno.current
        guard let opened = unsafe opened else { throw Refusal.ofOpen(failure) }
        unsafe object = unsafe opened
        var functions: [ObjectFunction] = []
        var program = unsafe bpf_object__next_program(opened, nil)
        while let next = unsafe program {
            unsafe functions.append(ObjectFunction(next))
            unsafe program = unsafe bpf_object__next_program(opened, next)
        }
        self.functions = functions
        var maps: [ObjectMap] = []
        var map = unsafe bpf_object__next_map(opened, nil)
        while let next = unsafe map {
            unsafe maps.append(ObjectMap(next))
            unsafe map = unsafe bpf_object__next_map(opened, next)
        }
        self.maps = maps
    }

    /// - Returns: 0, or a negative error number.
    func load() -> Int32 { unsafe bpf_object__load(object) }

    /// libbpf's view of the object's types, which lives as long as the object.
    var types: OpaquePointer? { unsafe bpf_object__btf(object) }

    deinit { unsafe bpf_object__close(object) }
}
