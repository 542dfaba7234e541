internal import API
internal import ArgumentParser
internal import HTTP
internal import Linux

extension Daemon {
    /// Gives the Unix socket to the configured group.
    func grantSocket() throws {
        guard let name = configuration.optionalText("socket_group") else { return }
        guard let group = Accounts.groupID(name) else {
            throw ValidationError("socket_group: there is no group \(name) on this host.")
        }
        do { try FileSystem.changeGroup(configuration.text("socket"), group) } catch {
            throw ValidationError(
                "socket_group \(name): the socket cannot be given to it: \(error).")
        }
    }

    /// SIGHUP: who is let in, certificates and tokens, read again as one. Where anything of it is
    /// wrong, all stays as it was.
    func readAgain(_ service: Service) {
        do {
            let new = try Configuration(options)
            let (rules, tokens) = (try new.accessRules, try new.fileTokens)
            let identity = try new.tlsIdentity
            service.replace(rules)
            service.replaceFixedTokens(tokens)
            identity?.activate()
            log.notice(
                """
                SIGHUP: who is let in, tokens and certificates are read again; other settings wait \
                for a start
                """)
        } catch {
            log.error("SIGHUP: nothing was changed: \(error)")
        }
    }
}
