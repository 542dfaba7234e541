internal import ArgumentParser
internal import Foundation
internal import HTTP
internal import Linux
internal import Logging
internal import Yams

/// What the daemon runs with: the command line over the environment over the file over the
/// defaults.
struct Configuration: CustomStringConvertible {
    let runtimeDirectory: String
    let stateDirectory: String
    let bpffsDirectory: String
    let socket: String
    let listen: [Listener]
    let isUnprotected: Bool
    let journalDirectory: String
    let loader: String
    /// Whether the kernel counts runs and run time of every program.
    let countsRuns: Bool
    let logLevel: Logger.Level

    private static let keys: Set<String> = [
        "runtime_dir", "state_dir", "bpffs", "socket", "listen", "unprotected", "journal_dir",
        "loader", "log_level", "run_stats",
    ]

    /// - Throws: `ValidationError` with a sentence for the person who starts the daemon.
    init(_ options: ServeOptions) throws {
        let environment = ProcessInfo.processInfo.environment
        let file = try Self.read(options.config ?? environment["APIARY_CONFIG"])
        func value(_ key: String, _ option: String?) -> String? {
            option ?? environment["APIARY_" + key.uppercased()] ?? file[key].map { "\($0)" }
        }
        runtimeDirectory = value("runtime_dir", options.runtimeDir) ?? "/run/apiary"
        stateDirectory = value("state_dir", options.stateDir) ?? "/var/lib/apiary"
        bpffsDirectory = value("bpffs", options.bpffs) ?? "/sys/fs/bpf/apiary"
        socket = value("socket", options.socket) ?? runtimeDirectory + "/apiary.sock"
        journalDirectory = value("journal_dir", options.journalDir) ?? runtimeDirectory + "/journal"
        let own = try ProcessLimits.executable()
        loader = value("loader", options.loader) ?? FileSystem.parent(of: own) + "/apiary-loader"
        let runStats = value("run_stats", options.runStats ? "true" : nil) ?? "false"
        guard let countsRuns = Bool(runStats) else {
            throw ValidationError("run_stats \(runStats) is neither true nor false.")
        }
        self.countsRuns = countsRuns
        let level = value("log_level", options.logLevel) ?? "info"
        guard let logLevel = Logger.Level(rawValue: level) else {
            throw ValidationError(
                "log_level \(level) is not one of "
                    + Logger.Level.allCases.map(\.rawValue).joined(separator: ", ") + ".")
        }
        self.logLevel = logLevel
        let unprotected = environment["APIARY_UNPROTECTED"] ?? file["unprotected"].map { "\($0)" }
        let isUnprotected = options.unprotected || unprotected == "true"
        self.isUnprotected = isUnprotected
        let listen =
            options.listen.isEmpty
            ? environment["APIARY_LISTEN"].map { [$0] } ?? Self.list(file["listen"])
            : options.listen
        self.listen = try listen.map { try Self.listener($0, isUnprotected: isUnprotected) }
        try checkPaths()
    }

    private static func read(_ path: String?) throws -> [String: Any] {
        guard let path else { return [:] }
        let text = String(decoding: try FileSystem.read(path, limit: 1 << 20), as: UTF8.self)
        guard let loaded = try Yams.load(yaml: text) else { return [:] }
        guard let file = loaded as? [String: Any] else {
            throw ValidationError("\(path) is not a YAML mapping of names to values.")
        }
        for key in file.keys.sorted() where !keys.contains(key) {
            throw ValidationError(
                "\(path): \(key) is not a setting: " + keys.sorted().joined(separator: ", ") + ".")
        }
        return file
    }

    private static func list(_ value: Any?) -> [String] {
        if let list = value as? [Any] { return list.map { "\($0)" } }
        return value.map { ["\($0)"] } ?? []
    }

    /// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`: loopback only, as long as there are no
    /// credentials.
    private static func listener(_ text: String, isUnprotected: Bool) throws -> Listener {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw ValidationError("listen \(text) is not of the form HOST:PORT.") }
        var host = String(text[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        guard ["127.0.0.1", "::1"].contains(host) else {
            throw ValidationError(
                "listen \(text): this release has no credentials, so TCP is for loopback only.")
        }
        guard isUnprotected else {
            throw ValidationError(
                "listen \(text): this release has no credentials: say --unprotected if every local "
                    + "user may load kernel code through that port.")
        }
        return .tcp(host: host, port: port)
    }

    private func checkPaths() throws {
        for (name, path) in [
            ("runtime_dir", runtimeDirectory), ("state_dir", stateDirectory),
            ("bpffs", bpffsDirectory), ("socket", socket), ("journal_dir", journalDirectory),
        ] where !path.hasPrefix("/") {
            throw ValidationError("\(name) \(path) is not an absolute path.")
        }
        // unix(7): sun_path has 108 bytes with the NUL.
        guard socket.utf8.count < 108 else {
            throw ValidationError("socket \(socket) is longer than 107 bytes.")
        }
    }

    var description: String {
        let listeners = listen.map { listener in
            if case .tcp(let host, let port) = listener { "\(host):\(port)" } else { "" }
        }
        return """
            runtime_dir: \(runtimeDirectory)
            state_dir: \(stateDirectory)
            bpffs: \(bpffsDirectory)
            socket: \(socket)
            listen: [\(listeners.joined(separator: ", "))]
            unprotected: \(isUnprotected)
            journal_dir: \(journalDirectory)
            loader: \(loader)
            log_level: \(logLevel.rawValue)
            run_stats: \(countsRuns)
            """
    }
}
