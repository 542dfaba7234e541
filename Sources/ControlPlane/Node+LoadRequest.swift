internal import Loading
internal import JSON
internal import Problems

extension Node {
    /// The loader's request. A target `program/function` becomes a function of that program's pin.
    /// - Parameter name: of the program that is loaded, whose maps of before are kept.
    /// - Throws: `invalid_member` where there is no such loaded program or map.
    func request(for options: ProgramOptions, name: String, pinDirectory: String?)
        throws(Problem) -> LoadRequest
    {
        var request = options.request(pinDirectory: pinDirectory)
        for (map, option) in options.maps {
            guard let reuse = option.reuse else { continue }
            request.reusedMaps[map] = try pin(of: reuse, for: map, ofProgram: name)
        }
        for (function, target) in options.targets {
            guard let slash = target.firstIndex(of: "/") else { continue }
            let other = String(target[..<slash])
            let name = String(target[target.index(after: slash)...])
            let loaded = loadedProgram(other)
            let functions = loaded?.report.functions ?? []
            // A subprogram has no pin of its own: any entry point of the object has it in its BTF.
            let entry = functions.first { $0.name == name } ?? functions.first
            guard let loaded, let pin = entry?.pin else {
                let pointer = JSONPointer.root.appending("functions").appending("targets")
                let near = NearMatches.find(other, among: shownPrograms())
                throw Problem(
                    .invalidMember,
                    "The target \(target) of \(function) is in no loaded program: there is no "
                        + "\(other).",
                    pointer: pointer.appending(function).description,
                    hint: near.isEmpty ? nil : "Near it: " + near.joined(separator: ", ") + ".")
            }
            request.targets[function] = name
            request.targetPins[function] = loaded.directory + "/" + pin
        }
        return request
    }

    /// - Returns: the path of the map's pin; empty where there is none to keep.
    private func pin(of reuse: ProgramOptions.Reuse, for map: String, ofProgram name: String)
        throws(Problem) -> String
    {
        guard case .map(let other, let wanted) = reuse else {
            return state.withLock { $0.programs[name]?.loaded }?.pinPath(ofMap: map) ?? ""
        }
        let loaded = loadedProgram(other)
        if let path = loaded?.pinPath(ofMap: wanted) { return path }
        let near =
            loaded == nil
            ? NearMatches.find(other, among: shownPrograms())
            : NearMatches.find(wanted, among: loaded?.report.maps.map(\.name) ?? [])
        throw Problem(
            .invalidMember,
            loaded == nil
                ? "There is no loaded program \(other) whose map \(map) could use."
                : "Program \(other) has no map \(wanted) that \(map) could use.",
            pointer: JSONPointer.root.appending("maps").appending(map).appending("reuse")
                .description,
            hint: near.isEmpty ? nil : "Near it: " + near.joined(separator: ", ") + ".")
    }

    /// Whether a program uses maps of another that has others now.
    func hasStaleMaps(_ loaded: LoadedProgram, _ options: ProgramOptions) -> Bool {
        options.maps.contains { name, option in
            guard case .map(let program, let map)? = option.reuse else { return false }
            let other = loadedProgram(program)?.maps[map]?.map.info.id
            return other != nil && other != loaded.maps[name]?.map.info.id
        }
    }
}

extension LoadedProgram {
    /// Where a map is pinned; nil where there is none of this name.
    func pinPath(ofMap name: String) -> String? {
        report.maps.first { $0.name == name }?.pin.map { directory + "/" + $0 }
    }
}
