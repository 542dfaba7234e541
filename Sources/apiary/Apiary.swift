internal import ArgumentParser
internal import Logging

/// The release, as `GET /v1` and `apiary version` tell it.
let apiaryVersion = "0.1.0"

@main
struct Apiary: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apiary", abstract: "An HTTP/JSON control plane for eBPF.",
        version: "apiary \(apiaryVersion)",
        subcommands: [
            Serve.self, TokenCommand.self, AuditCommand.self, CheckConfig.self, Verify.self,
            Restore.self, Version.self,
        ])
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the release.")

    func run() {
        print(Apiary.configuration.version)
    }
}

struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config", abstract: "Read the configuration and print what it comes to.",
        discussion: "Exit status 1 where the daemon would not start with it on this host: files, "
            + "keys, users and groups that it names are looked at, as the caller.")

    @OptionGroup var options: ServeOptions

    @Flag(name: .long, help: "Print a file with every setting at its default instead.")
    var defaults = false

    @Flag(name: .long, help: .hidden)
    var markdown = false

    func run() throws {
        if markdown { return print(Settings.markdown) }
        if defaults { return print(Settings.example) }
        let configuration = try Configuration(options)
        try configuration.check()
        print(configuration.description)
        for name in configuration.unknownVariables { print("# \(name) is not a setting") }
    }
}

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon.")

    @OptionGroup var options: ServeOptions

    func run() throws {
        let configuration = try Configuration(options)
        let output = LogOutput(configuration.logFormat)
        LoggingSystem.bootstrap { _ in LineLogHandler(output) }
        LogLevel.current.withLock { $0 = configuration.logLevel }
        try Daemon(configuration, options).run()
    }
}
