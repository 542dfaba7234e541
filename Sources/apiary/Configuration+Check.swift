internal import Linux

extension Configuration {
    /// Reads everything that a start reads before it has a listener or a registry, also out of the
    /// files that are named.
    /// - Throws: `CommandRefusal` with what would keep the daemon from starting.
    func check() throws {
        _ = try tlsIdentity
        _ = try accessRules
        _ = try fileTokens
        _ = try objectPolicy
        _ = try listeners
        _ = try socketGroup
        _ = try manifestsDirectory
    }

    /// The number of `socket_group`.
    var socketGroup: UInt32? {
        get throws {
            guard let name = optionalText("socket_group") else { return nil }
            guard let group = Accounts.groupID(name) else {
                throw CommandRefusal("socket_group: there is no group \(name) on this host.")
            }
            return group
        }
    }

    /// `manifests_dir`, which is there.
    var manifestsDirectory: String? {
        get throws {
            guard let directory = optionalText("manifests_dir") else { return nil }
            guard FileSystem.kind(directory) == .directory else {
                throw CommandRefusal(
                    "manifests_dir \(directory) is not a directory: make it first.")
            }
            return directory
        }
    }
}
