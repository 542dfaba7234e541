internal import API
internal import HTTP
internal import Linux

extension Daemon {
    /// Gives the Unix socket to the configured group.
    func grantSocket() throws {
        guard let name = configuration.optionalText("socket_group") else { return }
        guard let group = Accounts.groupID(name) else {
            throw CommandRefusal("socket_group: there is no group \(name) on this host.")
        }
        do { try FileSystem.changeGroup(configuration.text("socket"), group) } catch {
            throw CommandRefusal(
                "socket_group \(name): the socket cannot be given to it: \(error).")
        }
    }
}
