internal import Linux

extension Daemon {
    /// Lets those to the Unix socket whom `socket_group` and `socket_mode` mean: a socket's own
    /// mode helps nobody who may not pass its directory, where that is the one that we made.
    func grantSocket() throws {
        let socket = configuration.text("socket")
        var paths = [socket]
        if FileSystem.parent(of: socket) == configuration.text("runtime_dir") {
            paths.append(FileSystem.parent(of: socket))
            if configuration.text("socket_mode") == "666" { try open(paths[1]) }
        }
        guard let group = try configuration.socketGroup else { return }
        for path in paths {
            do { try FileSystem.changeGroup(path, group) } catch {
                throw CommandRefusal(
                    "socket_group: \(path) cannot be given to the group \(group): \(error).")
            }
        }
    }

    /// To pass, not to look into.
    private func open(_ directory: String) throws {
        do { try FileSystem.changeMode(directory, 0o751) } catch {
            throw CommandRefusal("socket_mode 666: \(directory) cannot be opened: \(error).")
        }
    }
}
