internal import BPF
public import Problems

extension Node {
    /// Forbids every later change of the map from user space: this daemon's and everybody's. The
    /// program goes on writing. There is no way back but to load the program again.
    /// - Returns: whether it was open until now.
    /// - Throws: `conflict` while somebody has the map mapped writable;
    ///   `unsupported_map_operation` for maps that the kernel does not freeze.
    public func freeze(_ view: MapView, isDryRun: Bool) throws(Problem) -> Bool {
        let map = view.loaded.map
        if map.isFrozen == true { return false }
        if isDryRun { return true }
        do { try map.freeze() } catch {
            switch error.errno {
            case .ebusy where map.isFrozen == true: return false
            case .ebusy:
                throw Problem(
                    .conflict,
                    "Map \(view.loaded.path) cannot be frozen now: it is mapped writable, or "
                        + "somebody writes to it.", errno: error.errno.name, cause: error)
            case .enotsupp, .eopnotsupp:
                throw Problem(
                    .unsupportedMapOperation,
                    "Map \(view.loaded.path) cannot be frozen: the kernel freezes no map of type "
                        + "\(map.info.type.name) or with locks, timers or kptrs in its values.",
                    errno: error.errno.name, cause: error)
            default: throw view.loaded.refused(error, while: "freeze the entries")
            }
        }
        return true
    }
}
