internal import Events
internal import Linux
internal import Synchronization

/// What numbers in records stand for on this host.
final class HostNames: ValueResolver {
    private struct Remembered {
        var groups: [UInt64: String?] = [:]
        var users: [UInt32: String] = [:]
        var groupsUntil: UInt64 = 0
        var usersUntil: UInt64 = 0
        var controlGroups: ControlGroups?
    }

    /// Names are asked for anew after this: groups and users come and go.
    private static let lifeNanoseconds: UInt64 = 2_000_000_000
    private static let mostGroups = 4096

    private let state = Mutex(Remembered())

    func symbol(_ address: UInt64) -> String? {
        guard let found = KernelSymbols.shared?.find(address) else { return nil }
        return found.offset == 0
            ? found.name : found.name + "+0x" + String(found.offset, radix: 16)
    }

    func controlGroup(_ id: UInt64) -> String? {
        state.withLock { state in
            let now = Clock.monotonicNanoseconds()
            if now > state.groupsUntil || state.groups.count >= Self.mostGroups {
                state.groups = [:]
                state.groupsUntil = now + Self.lifeNanoseconds
            }
            if let known = state.groups[id] { return known }
            if state.controlGroups == nil {
                // Without cgroup2 no id has a path.
                state.controlGroups = try? ControlGroups()
            }
            let path = state.controlGroups?.path(id: id)
            state.groups.updateValue(path, forKey: id)
            return path
        }
    }

    /// From /etc/passwd alone: a directory service would be asked over the network.
    func user(_ id: UInt32) -> String? {
        state.withLock { state in
            let now = Clock.monotonicNanoseconds()
            if now > state.usersUntil {
                state.users = Self.users()
                state.usersUntil = now + Self.lifeNanoseconds
            }
            return state.users[id]
        }
    }

    private static func users() -> [UInt32: String] {
        var users: [UInt32: String] = [:]
        for line in (FileSystem.text("/etc/passwd") ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count > 2, let id = UInt32(fields[2]), users[id] == nil else { continue }
            users[id] = String(fields[0])
        }
        return users
    }
}
