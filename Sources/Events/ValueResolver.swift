/// What numbers in records stand for. Called while lines are made: must not block for longer than
/// a look into the kernel takes.
public protocol ValueResolver: Sendable {
    /// `vfs_read+0x1b`; `nil` where no function of the kernel lies there.
    func symbol(_ address: UInt64) -> String?
    /// `/system.slice/ssh.service`; `nil` where there is no such control group (any more).
    func controlGroup(_ id: UInt64) -> String?
    /// `root`; `nil` where the id has no name.
    func user(_ id: UInt32) -> String?
}
