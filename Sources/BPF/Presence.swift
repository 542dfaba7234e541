/// Whether an attachment without a link is there, as far as the kernel tells.
public enum Presence: Sendable, Hashable {
    case runs(programID: UInt32)
    /// The kernel does not say which program it is.
    case unnamed
    case gone
}
