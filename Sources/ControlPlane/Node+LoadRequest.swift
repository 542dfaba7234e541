internal import Loading
internal import JSON
internal import Problems

extension Node {
    /// The loader's request. A target `program/function` becomes a function of that program's pin.
    /// - Throws: `invalid_member` where there is no such loaded program.
    func request(for options: ProgramOptions, pinDirectory: String?) throws(Problem)
        -> LoadRequest
    {
        var request = options.request(pinDirectory: pinDirectory)
        for (function, target) in options.targets {
            guard let slash = target.firstIndex(of: "/") else { continue }
            let other = String(target[..<slash])
            let name = String(target[target.index(after: slash)...])
            let programs = state.withLock { Array($0.programs.keys) }
            let loaded = loadedProgram(other)
            let functions = loaded?.report.functions ?? []
            // A subprogram has no pin of its own: any entry point of the object has it in its BTF.
            let entry = functions.first { $0.name == name } ?? functions.first
            guard let loaded, let pin = entry?.pin else {
                let pointer = JSONPointer.root.appending("functions").appending("targets")
                let near = NearMatches.find(other, among: programs)
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
}
