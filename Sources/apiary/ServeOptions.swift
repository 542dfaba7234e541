internal import ArgumentParser
internal import Logging

/// The options of `apiary serve`. Each may also stand in the configuration file, `runtime_dir: …`,
/// or in the environment, `APIARY_RUNTIME_DIR`; the command line wins, then the environment, then
/// the file.
struct ServeOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("Configuration file (YAML).", valueName: "file"),
        completion: .file())
    var config: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Socket, lock and journal. Default /run/apiary.", valueName: "dir"),
        completion: .directory)
    var runtimeDir: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Registry and objects. Default /var/lib/apiary.", valueName: "dir"),
        completion: .directory)
    var stateDir: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Pins. Default /sys/fs/bpf/apiary.", valueName: "dir"),
        completion: .directory)
    var bpffs: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Unix socket. Default apiary.sock in the runtime directory.", valueName: "path"),
        completion: .file())
    var socket: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Also listen on TCP: a credential is wanted, beyond loopback TLS too.",
            valueName: "host:port"))
    var listen: [String] = []

    @Flag(
        name: .long,
        help: "Whoever reaches the TCP port may do everything. Loopback only; for benchmarks.")
    var unprotected = false

    @Flag(name: .long, help: "Take everything out of the kernel at the stop.")
    var detachOnStop = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Any setting of check-config; may be given again.", valueName: "key=value"))
    var set: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Journal of the events. Default journal in the runtime directory.", valueName: "dir"),
        completion: .directory)
    var journalDir: String?

    @Option(
        name: .long,
        help: ArgumentHelp("apiary-loader. Default: beside this executable.", valueName: "path"),
        completion: .file())
    var loader: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error, critical. Default info.",
            valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)))
    var logLevel: String?
}

extension ServeOptions {
    /// What the command line says, by the settings' keys. An option of its own wins over `--set`.
    var written: [String: WrittenValue] {
        get throws {
            var written: [String: WrittenValue] = [:]
            for text in set {
                guard let equals = text.firstIndex(of: "=") else {
                    throw ValidationError("--set \(text) is not of the form key=value.")
                }
                let key = String(text[..<equals])
                guard Settings.named(key) != nil else {
                    throw ValidationError(
                        "--set: \"\(key)\" is not a setting; apiary check-config --defaults shows "
                            + "all.")
                }
                written[key] = .scalar(String(text[text.index(after: equals)...]))
            }
            for (key, value) in [
                ("runtime_dir", runtimeDir), ("state_dir", stateDir), ("bpffs", bpffs),
                ("socket", socket), ("journal_dir", journalDir), ("loader", loader),
                ("log_level", logLevel),
            ] {
                if let value { written[key] = .scalar(value) }
            }
            if !listen.isEmpty { written["listen"] = .sequence(listen) }
            if unprotected { written["unprotected"] = .scalar("true") }
            if detachOnStop { written["detach_on_stop"] = .scalar("true") }
            return written
        }
    }
}
