/// Bounds on the loader child.
public struct LoaderLimits: Sendable, Hashable {
    /// RLIMIT_AS.
    public var addressSpaceBytes = 2 << 30
    /// RLIMIT_CPU; the time in the kernel's verifier counts.
    public var cpuSeconds = 30
    /// From its start to its end; then SIGKILL.
    public var deadlineMilliseconds = 60_000
    /// The longest report that is taken from it.
    public var reportBytes = 64 << 20

    public init() {}
}
