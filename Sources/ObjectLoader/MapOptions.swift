internal import CLibbpf
internal import Glibc
internal import JSON
internal import Linux
internal import Loading

/// What a request changes about an object's maps before the load.
enum MapOptions {
    static func set(_ request: LoadRequest, on maps: [ObjectMap]) throws(LoadFailure) {
        for map in maps { map.clearPinPath() }
        for (name, count) in request.maxEntries.sorted(by: { $0.key < $1.key }) {
            let pointer = JSONPointer.root.appending("max_entries").appending(name).description
            let map = try find(name, in: maps, pointer)
            if let errno = map.setMaxEntries(count) {
                throw LoadFailure(
                    .request, "map \"\(name)\" does not take \(count) entries: \(errno)",
                    errno: errno, libbpfLog: LibbpfLog.text, pointer: pointer)
            }
        }
        for (name, path) in request.reusedMaps.sorted(by: { $0.key < $1.key }) {
            let pointer = JSONPointer.root.appending("reused_maps").appending(name).description
            try reuse(path, as: try find(name, in: maps, pointer), pointer)
        }
    }

    private static func find(_ name: String, in maps: [ObjectMap], _ pointer: String)
        throws(LoadFailure) -> ObjectMap
    {
        if let map = maps.first(where: { $0.name == name }) { return map }
        let near = NearMatches.clause(for: name, among: maps.map(\.name))
        throw LoadFailure(.request, "the object has no map \"\(name)\"\(near)", pointer: pointer)
    }

    private static func reuse(_ path: String, as map: ObjectMap, _ pointer: String)
        throws(LoadFailure)
    {
        let raw = unsafe bpf_obj_get(path)
        guard raw >= 0 else {
            let errno = Errno(rawValue: -raw)
            throw LoadFailure(
                .request, "\(path) cannot be opened: \(errno)", errno: errno, pointer: pointer)
        }
        let pinned = FileDescriptor(owning: raw)
        var information = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        guard isMap(pinned.raw),
            unsafe bpf_map_get_info_by_fd(pinned.raw, &information, &length) == 0
        else {
            throw LoadFailure(.request, "\(path) is not a map", pointer: pointer)
        }
        if let difference = difference(map, information) {
            throw LoadFailure(
                .request, "map \"\(map.name)\" cannot use \(path): \(difference)",
                pointer: pointer)
        }
        if let errno = map.reuse(pinned.raw) {
            throw LoadFailure(
                .request, "map \"\(map.name)\" cannot use \(path): \(errno)", errno: errno,
                libbpfLog: LibbpfLog.text, pointer: pointer)
        }
    }

    /// libbpf's own comparison is made only for maps with a pin path; entries may differ.
    private static func difference(_ map: ObjectMap, _ pinned: bpf_map_info) -> String? {
        let rows: [(String, UInt32, UInt32)] = [
            ("type", pinned.type, map.type),
            ("key size", pinned.key_size, map.keySize),
            ("value size", pinned.value_size, map.valueSize),
            ("flags", pinned.map_flags, map.flags),
        ]
        for (what, there, here) in rows where there != here {
            return "its \(what) is \(there), the object's \(here)"
        }
        return nil
    }

    /// A program's descriptor gives information too, of another layout.
    private static func isMap(_ descriptor: Int32) -> Bool {
        var name = [CChar](repeating: 0, count: 64)
        let length = unsafe readlink("/proc/self/fd/\(descriptor)", &name, name.count - 1)
        guard length > 0 else { return false }
        return name.prefix(length).map { UInt8(bitPattern: $0) } == Array("anon_inode:bpf-map".utf8)
    }
}
