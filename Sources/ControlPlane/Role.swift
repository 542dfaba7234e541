/// What a caller may do; each role may do what those before it may.
public enum Role: String, Sendable, CaseIterable, Comparable {
    /// Health, readiness, and what problems mean.
    case none
    /// Also `/metrics`.
    case metrics
    /// Also every GET of programs, probes, maps and events.
    case read
    /// Also attaching, detaching and map writes, of programs that are loaded.
    case operate
    /// Everything.
    case admin

    public static func < (one: Role, other: Role) -> Bool { one.rank < other.rank }

    private var rank: Int {
        switch self {
        case .none: 0
        case .metrics: 1
        case .read: 2
        case .operate: 3
        case .admin: 4
        }
    }
}
