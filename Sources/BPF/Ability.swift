public import Linux

/// What this host can do, found out by trying.
public struct Ability: Sendable {
    /// "No" is kept apart from "could not tell".
    public enum State: String, Sendable { case available, unavailable, unknown }
    /// The API's word: `uprobe`, `percpu_hash`.
    public let kind: String
    public let state: State
    /// What the kernel answered, where it refused.
    public let errno: Errno?
    /// A clause for people: which call answered what.
    public let reason: String?
    /// What the host would need: `CONFIG_KPROBES`, `kernel 6.6`, `lockdown none`.
    public let needs: String?
}
