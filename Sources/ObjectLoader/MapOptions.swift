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
            let map = try find(name, in: maps, pointer)
            // Nothing to keep yet: the map is a new one.
            if path.isEmpty { continue }
            try reuse(path, as: map, request.maxEntries[name], pointer)
        }
    }

    private static func find(_ name: String, in maps: [ObjectMap], _ pointer: String)
        throws(LoadFailure) -> ObjectMap
    {
        if let map = maps.first(where: { $0.name == name }) { return map }
        let near = NearMatches.clause(for: name, among: maps.map(\.name))
        throw LoadFailure(.request, "the object has no map \"\(name)\"\(near)", pointer: pointer)
    }

    private static func reuse(
        _ path: String, as map: ObjectMap, _ maxEntries: UInt32?, _ pointer: String
    ) throws(LoadFailure) {
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
        if let difference = difference(map, information, maxEntries) {
            var failure = LoadFailure(
                .map, "map \"\(map.name)\" cannot use the map that is there: \(difference)",
                pointer: pointer)
            failure.map = map.name
            throw failure
        }
        if let errno = map.reuse(pinned.raw) {
            throw LoadFailure(
                .map, "map \"\(map.name)\" cannot use \(path): \(errno)", errno: errno,
                libbpfLog: LibbpfLog.text, pointer: pointer)
        }
    }

    /// libbpf's own comparison is made only for maps with a pin path; entries may differ.
    private static func difference(
        _ map: ObjectMap, _ pinned: bpf_map_info, _ maxEntries: UInt32?
    ) -> String? {
        let rows: [(String, UInt32, UInt32)] = [
            ("key size", pinned.key_size, map.keySize),
            ("value size", pinned.value_size, map.valueSize),
            ("flags", pinned.map_flags, map.flags),
        ]
        if pinned.type != map.type {
            return "it is a \(ObjectMap.typeName(pinned.type)), the object's a \(map.typeName)"
        }
        for (what, there, here) in rows where there != here {
            return "its \(what) is \(there), the object's \(here)"
        }
        if let maxEntries, maxEntries != pinned.max_entries {
            return "its max_entries are \(pinned.max_entries), the request's \(maxEntries)"
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
