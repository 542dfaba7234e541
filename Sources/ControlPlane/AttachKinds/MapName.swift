internal import BPF
internal import Loading
internal import Problems

extension AttachSite {
    /// The kernel's id of a map by `counts`, of the probe's own program, or `other/counts`.
    /// - Throws: `target_not_found` with near names.
    func mapID(named name: String) throws(Problem) -> UInt32 {
        try map(named: name).map.map.info.id
    }

    func mapType(named name: String) throws(Problem) -> MapType {
        try map(named: name).map.map.info.type
    }

    /// - Returns: the map, and the program that it is of.
    /// - Throws: `attach_refused` where the map is of another type.
    func structOpsMap(named name: String) throws(Problem) -> (map: LoadedMap, owner: LoadedProgram)
    {
        let (map, owner) = try map(named: name)
        guard map.map.info.type == .structOps else {
            throw Problem(
                .attachRefused, "Map \(name) is no struct_ops map.", pointer: "/attach/map")
        }
        return (map, owner)
    }

    private func map(named name: String) throws(Problem)
        -> (map: LoadedMap, owner: LoadedProgram)
    {
        var owner = program
        var own = name
        if let slash = name.firstIndex(of: "/") {
            let other = String(name[..<slash])
            // Of itself it is the load that is to be attached, which a replacement has not
            // registered yet.
            let loaded: LoadedProgram? =
                other == program.name
                ? program : node.state.withLock { $0.programs[other]?.loaded }
            guard let loaded else {
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
        return (map, owner)
    }
}
