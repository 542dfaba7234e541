internal import Foundation
internal import Linux
internal import Logging

/// What the daemon runs with: the command line over the environment over the file over the
/// defaults.
struct Configuration {
    /// Where a value was written.
    enum Source: String { case commandLine, environment, file, fallback }

    private let values: [String: SettingValue]
    private let sources: [String: Source]
    /// Variables that begin like ours and name no setting.
    let unknownVariables: [String]

    /// - Parameters: as the shell gives them; `environment` without our variables in tests.
    /// - Throws: `CommandRefusal` with a sentence for the person who starts the daemon.
    init(
        _ options: ServeOptions,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        let path = options.config ?? environment["APIARY_CONFIG"]
        let file = try path.map { try ConfigurationFile($0).values } ?? [:]
        let commandLine = try options.written
        var values: [String: SettingValue] = [:]
        var sources: [String: Source] = [:]
        for setting in Settings.all {
            let value: SettingValue
            let source: Source
            if let written = commandLine[setting.key] {
                value = try setting.value(written, at: setting.key)
                source = .commandLine
            } else if let text = environment[setting.variable] {
                value = try setting.value(.scalar(text), at: setting.variable)
                source = .environment
            } else if let written = file[setting.key] {
                value = try setting.value(written, at: "\(path ?? ""): \(setting.key)")
                source = .file
            } else {
                let text = try Self.fallback(setting, values)
                value = try setting.value(.scalar(text), at: setting.key)
                source = .fallback
            }
            values[setting.key] = value
            sources[setting.key] = source
        }
        self.values = values
        self.sources = sources
        let known = Set(Settings.all.map(\.variable) + ["APIARY_CONFIG", "APIARY_TOKEN"])
        unknownVariables = environment.keys
            .filter { $0.hasPrefix("APIARY_") && !known.contains($0) }.sorted()
        try checkSocket()
        _ = try tcpListeners
    }

    /// A default with the values that it names.
    private static func fallback(_ setting: Setting, _ values: [String: SettingValue]) throws
        -> String
    {
        var text = setting.fallback
        for (key, value) in values {
            if case .text(let value) = value { text = text.replacing("{\(key)}", with: value) }
        }
        guard text.contains("{executable_dir}") else { return text }
        let own = try ProcessLimits.executable()
        return text.replacing("{executable_dir}", with: FileSystem.parent(of: own))
    }

    // MARK: Values

    private func value(_ key: String) -> SettingValue {
        guard let value = values[key] else { preconditionFailure("\(key) is not in Settings") }
        return value
    }

    func text(_ key: String) -> String {
        guard case .text(let text) = value(key) else { preconditionFailure("\(key): no text") }
        return text
    }

    /// `nil` where it is empty.
    func optionalText(_ key: String) -> String? {
        let text = text(key)
        return text.isEmpty ? nil : text
    }

    func flag(_ key: String) -> Bool {
        guard case .flag(let flag) = value(key) else { preconditionFailure("\(key): no flag") }
        return flag
    }

    func integer(_ key: String) -> Int {
        guard case .integer(let number) = value(key) else {
            preconditionFailure("\(key): no integer")
        }
        return number
    }

    func list(_ key: String) -> [String] {
        guard case .list(let list) = value(key) else { preconditionFailure("\(key): no list") }
        return list
    }

    func map(_ key: String) -> [SettingEntry] {
        guard case .map(let entries) = value(key) else { preconditionFailure("\(key): no map") }
        return entries
    }

    func source(_ key: String) -> Source { sources[key] ?? .fallback }

    var logLevel: Logger.Level { Logger.Level(rawValue: text("log_level")) ?? .info }

    // MARK: Checks

    private func checkSocket() throws {
        // unix(7): sun_path has 108 bytes with the NUL.
        let socket = text("socket")
        guard socket.utf8.count < 108 else {
            throw CommandRefusal("socket \(socket) is longer than 107 bytes.")
        }
    }
}
