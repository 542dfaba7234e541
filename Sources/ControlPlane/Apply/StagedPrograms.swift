/// Loads that an apply has made and not committed yet: what it does next may name them, and nobody
/// else can.
enum StagedPrograms {
    @TaskLocal static var current: [String: LoadedProgram] = [:]
}

extension Node {
    /// A program's kernel side: within an apply, as it will be.
    func loadedProgram(_ name: String) -> LoadedProgram? {
        StagedPrograms.current[name] ?? state.withLock { $0.programs[name]?.loaded }
    }
}
