internal import ArgumentParser
internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems
internal import Registry

/// Where a command finds the daemon, or while none runs its registry.
struct RegistryPlace: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("Configuration file (YAML).", valueName: "file"),
        completion: .file())
    var config: String?

    @Option(
        name: .long, help: ArgumentHelp("As the daemon's.", valueName: "dir"),
        completion: .directory)
    var runtimeDir: String?

    @Option(
        name: .long, help: ArgumentHelp("As the daemon's.", valueName: "dir"),
        completion: .directory)
    var stateDir: String?

    @Option(
        name: .long, help: ArgumentHelp("As the daemon's.", valueName: "path"), completion: .file())
    var socket: String?

    static func origin(_ action: String) -> ChangeOrigin {
        ChangeOrigin(
            requestID: "-",
            actor: "unix:uid=\(ProcessLimits.userID),pid=\(ProcessLimits.processID)",
            action: action, peer: "command line")
    }

    /// Asks the daemon; where none listens, does it offline.
    /// - Returns: the answer's document; null for an empty one.
    func ask(
        _ method: String, _ path: String, _ body: JSONValue?,
        offline: (Tokens) throws -> JSONValue
    ) throws -> JSONValue {
        var arguments: [String] = []
        for (name, value) in [
            ("--config", config), ("--runtime-dir", runtimeDir), ("--state-dir", stateDir),
            ("--socket", socket),
        ] {
            if let value { arguments += [name, value] }
        }
        let configuration = try Configuration(try ServeOptions.parse(arguments))
        if let answer = try answer(configuration.text("socket"), method, path, body) {
            return answer
        }
        return try alone(configuration.text("state_dir"), offline)
    }

    /// - Returns: nil where nobody listens.
    private func answer(_ socket: String, _ method: String, _ path: String, _ body: JSONValue?)
        throws -> JSONValue?
    {
        let content = body.map { $0.serialized() } ?? []
        var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if body != nil {
            head += "Content-Type: application/json\r\nContent-Length: \(content.count)\r\n"
        }
        let request = Array((head + "\r\n").utf8) + content
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try UnixConnection(socket).exchange(request.span, limit: 16 << 20)
        } catch {
            if error == .enoent || error == .econnrefused { return nil }
            throw CommandRefusal("The daemon at \(socket) cannot be asked: \(error).")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else {
            throw CommandRefusal("The daemon at \(socket) gave no answer.")
        }
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let rest = text[end.upperBound...]
        let document: JSONValue
        do { document = rest.isEmpty ? .null : try JSONValue.parse(String(rest)) } catch {
            throw CommandRefusal("The daemon's answer is no JSON: \(error.reason).")
        }
        guard (200..<300).contains(status) else {
            throw CommandRefusal(document["detail"]?.string ?? "The daemon answered \(status).")
        }
        return document
    }

    private func alone(_ directory: String, _ offline: (Tokens) throws -> JSONValue) throws
        -> JSONValue
    {
        let lock: FileLock
        do throws(Errno) {
            try FileSystem.makeDirectories(directory, mode: 0o700)
            lock = try FileLock(directory + "/lock")
        } catch {
            throw CommandRefusal(
                error == .eagain
                    ? "A daemon uses \(directory), but not this socket: give --socket."
                    : "\(directory) cannot be used: \(error).")
        }
        defer { _ = lock }
        do {
            return try offline(try Tokens(registry: directory + "/registry.sqlite"))
        } catch let problem as Problem {
            throw CommandRefusal(problem.detail)
        } catch let error as RegistryError {
            throw CommandRefusal("The registry of \(directory): \(error.reason).")
        }
    }
}
