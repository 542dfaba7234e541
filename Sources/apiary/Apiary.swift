internal import ArgumentParser
internal import Logging

/// The release, as `GET /v1` and `apiary version` tell it.
let apiaryVersion = "0.1.0"

@main
struct Apiary: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apiary", abstract: "An HTTP/JSON control plane for eBPF.",
        subcommands: [Serve.self, CheckConfig.self, Verify.self, Version.self])
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the release.")

    func run() {
        print("apiary \(apiaryVersion)")
    }
}

struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config", abstract: "Read the configuration and print what it comes to.")

    @OptionGroup var options: ServeOptions

    func run() throws {
        print(try Configuration(options).description)
    }
}

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon.")

    @OptionGroup var options: ServeOptions

    func run() throws {
        let configuration = try Configuration(options)
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = configuration.logLevel
            return handler
        }
        try Daemon(configuration).run()
    }
}
