internal import BPF
internal import Loading
internal import Problems

extension AttachSite {
    /// The kernel's id of a map by `counts`, of the probe's own program, or `other/counts`.
    /// - Throws: `target_not_found` with near names.
    func mapID(named name: String) throws(Problem) -> UInt32 { try map(named: name).info.id }

    func mapType(named name: String) throws(Problem) -> MapType { try map(named: name).info.type }

    /// - Throws: `attach_refused` where the map is of another type.
    func structOpsMap(named name: String) throws(Problem) -> Map {
        let map = try map(named: name)
        guard map.info.type == .structOps else {
            throw Problem(
                .attachRefused, "Map \(name) is no struct_ops map.", pointer: "/attach/map")
        }
        return map
    }

    private func map(named name: String) throws(Problem) -> Map {
        var owner = program
        var own = name
        if let slash = name.firstIndex(of: "/") {
            let other = String(name[..<slash])
            guard let loaded = node.state.withLock({ $0.programs[other]?.loaded }) else {
                throw missing("There is no loaded program \(other).", "map")
            }
            owner = loaded
            own = String(name[name.index(after: slash)...])
        }
        guard let map = owner.maps[own] else {
            throw missing(
                "Program \(owner.name) has no map \(own).", "map",
                near: NearMatches.find(own, among: owner.maps.keys))
        }
        return map.map
    }
}
