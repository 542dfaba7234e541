internal import API
internal import Logging

extension Configuration {
    /// Settings that a running daemon takes over at SIGHUP; the others need a restart.
    static let reloaded: Set<String> = [
        "log_level", "users", "groups", "certificates", "hosts", "cors_origins", "tls_cert",
        "tls_key", "client_ca", "token_file",
    ]

    /// The keys of the settings that are not as in `other`.
    func differences(from other: Configuration) -> [String] {
        Settings.all.map(\.key).filter { line($0) != other.line($0) }
    }
}

extension Daemon {
    /// SIGHUP: the log level, who is let in, certificates and tokens, read again as one. Where
    /// anything of it is wrong, all stays as it was.
    func reload(_ service: Service) {
        do {
            let fresh = try Configuration(options)
            let (rules, tokens) = (try fresh.accessRules, try fresh.fileTokens)
            let identity = try fresh.tlsIdentity
            let believesOthers = identity?.activate() ?? false
            service.replace(rules)
            service.replaceFixedTokens(tokens)
            if believesOthers { service.endStreamsOfCertificates() }
            LogLevel.current.withLock { $0 = fresh.logLevel }
            let later = fresh.differences(from: configuration).filter { key in
                !Configuration.reloaded.contains(key)
            }
            log.notice(
                "SIGHUP: the configuration, tokens and certificates are read again",
                metadata: [
                    "log_level": "\(fresh.logLevel)",
                    "after_a_restart":
                        "\(later.isEmpty ? "nothing" : later.joined(separator: " "))",
                ])
        } catch {
            log.error("SIGHUP: the configuration stays as it was, nothing was changed: \(error)")
        }
    }
}
