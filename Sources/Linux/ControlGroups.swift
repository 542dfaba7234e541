internal import CLinux
internal import Glibc

/// The control groups of the unified hierarchy (cgroup2), by the ids that BPF programs see.
public final class ControlGroups: Sendable {
    private let mount: FileDescriptor
    private let root: String

    /// - Throws: `ENOENT` where no cgroup2 is mounted; `EACCES`.
    public init() throws(Errno) {
        let mounts = FileSystem.text("/proc/self/mounts") ?? ""
        let point = mounts.split(separator: "\n").lazy
            .map { $0.split(separator: " ") }
            .first { $0.count > 2 && $0[2] == "cgroup2" }
        guard let point else { throw .enoent }
        root = String(point[1])
        mount = try FileDescriptor.open(root, [.read, .directory])
    }

    /// The group's path below the mount, `/` for the root; `nil` where there is none of that id
    /// (any more), or the process lacks CAP_DAC_READ_SEARCH.
    public func path(id: UInt64) -> String? {
        let raw = apiary_open_kernfs(mount.raw, id)
        guard raw >= 0 else { return nil }
        let group = FileDescriptor(owning: raw)
        let path: String
        // One that was removed in between has no path.
        do { path = try FileSystem.resolve("/proc/self/fd/\(group.raw)") } catch { return nil }
        guard path.hasPrefix(root) else { return nil }
        let rest = path.dropFirst(root.utf8.count)
        return rest.isEmpty ? "/" : String(rest)
    }
}
