internal import API
internal import ControlPlane
internal import HTTP
internal import Linux

/// One entry of `listen`.
struct TCPListener {
    let host: String
    let port: UInt16
    let isTLS: Bool
    let isLoopback: Bool

    /// `127.0.0.1:8080`, `[::1]:8080`, `https://0.0.0.0:8443`.
    /// - Parameter hasCertificate: then everything that is not loopback or `http://` has TLS.
    init(_ text: String, hasCertificate: Bool) throws {
        var rest = text[...]
        var scheme: String?
        for name in ["http", "https"] where rest.hasPrefix(name + "://") {
            scheme = name
            rest = rest.dropFirst(name.count + 3)
        }
        guard let colon = rest.lastIndex(of: ":"),
            let port = UInt16(rest[rest.index(after: colon)...])
        else { throw CommandRefusal("listen \(text) is not of the form HOST:PORT.") }
        var host = String(rest[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        guard !host.isEmpty else {
            throw CommandRefusal(
                "listen \(text): say the address; 0.0.0.0 or [::] stand for all of this host.")
        }
        self.host = host
        self.port = port
        let isLoopback = host == "::1" || host.hasPrefix("127.")
        self.isLoopback = isLoopback
        isTLS = scheme == "https" || (scheme == nil && hasCertificate && !isLoopback)
        guard isTLS || isLoopback else {
            throw CommandRefusal(
                "listen \(text): beyond loopback there is only TLS: give tls_cert and tls_key.")
        }
        guard !isTLS || hasCertificate else {
            throw CommandRefusal("listen \(text): TLS needs tls_cert and tls_key.")
        }
    }
}

extension Configuration {
    /// - Throws: `CommandRefusal` for a listener that would let somebody in without a credential,
    ///   or in the clear.
    var tcpListeners: [TCPListener] {
        get throws {
            let hasCertificate =
                optionalText("tls_cert") != nil && optionalText("tls_key") != nil
            let listeners = try list("listen").map { text in
                try TCPListener(text, hasCertificate: hasCertificate)
            }
            if flag("unprotected"), let open = listeners.first(where: { !$0.isLoopback }) {
                throw CommandRefusal(
                    "unprotected is for loopback only, and listen has \(open.host).")
            }
            return listeners
        }
    }

    /// Where the server listens, the Unix socket first.
    var listeners: [Listener] {
        get throws {
            let mode = UInt32(text("socket_mode"), radix: 8) ?? 0o600
            return try [.unix(path: text("socket"), mode: mode)]
                + tcpListeners.map { listener in
                    listener.isTLS
                        ? .tls(host: listener.host, port: listener.port)
                        : .tcp(host: listener.host, port: listener.port)
                }
        }
    }

    /// What `tls_cert`, `tls_key` and `client_ca` hold now; nil without them.
    /// - Throws: `CommandRefusal` where one cannot be read or used.
    var tlsIdentity: TLSIdentity? {
        get throws {
            let paths = (optionalText("tls_cert"), optionalText("tls_key"))
            guard let certificate = paths.0, let key = paths.1 else {
                guard paths.0 == nil, paths.1 == nil, optionalText("client_ca") == nil else {
                    throw CommandRefusal("TLS needs both tls_cert and tls_key.")
                }
                return nil
            }
            let authorities = try optionalText("client_ca").map { path in
                try Self.contents(path, "client_ca")
            }
            let (own, secret) = (
                try Self.contents(certificate, "tls_cert"), try Self.contents(key, "tls_key")
            )
            do throws(TLSError) {
                return try TLSIdentity(
                    certificate: own, key: secret, clientAuthorities: authorities)
            } catch { throw CommandRefusal("\(error).") }
        }
    }

    private static func contents(_ path: String, _ key: String) throws -> [UInt8] {
        do { return try FileSystem.read(path, limit: 1 << 20) } catch {
            throw CommandRefusal("\(key) \(path) cannot be read: \(error).")
        }
    }

    /// Who is let in.
    var accessRules: AccessRules {
        get throws {
            var rules = AccessRules()
            for entry in map("users") {
                guard let user = Accounts.userID(entry.name) else {
                    throw CommandRefusal("users: there is no user \(entry.name) on this host.")
                }
                rules.users[user] = Role(rawValue: entry.value)
            }
            for entry in map("groups") {
                guard let group = Accounts.groupID(entry.name) else {
                    throw CommandRefusal("groups: there is no group \(entry.name) on this host.")
                }
                rules.groups[group] = Role(rawValue: entry.value)
            }
            for entry in map("certificates") {
                rules.certificates[entry.name] = Role(rawValue: entry.value)
            }
            rules.hosts = try hosts
            rules.origins = Set(try list("cors_origins").map(Self.origin))
            rules.isUnprotected = flag("unprotected")
            return rules
        }
    }

    private var hosts: Set<String> {
        get throws {
            var hosts: Set<String> = ["localhost", "127.0.0.1", "[::1]"]
            for listener in try tcpListeners where !["0.0.0.0", "::"].contains(listener.host) {
                let isIPv6 = listener.host.contains(":")
                hosts.insert((isIPv6 ? "[\(listener.host)]" : listener.host).lowercased())
            }
            for host in list("hosts") { hosts.insert(try Self.host(host)) }
            return hosts
        }
    }

    /// As clients say it in `Host`.
    private static func host(_ text: String) throws -> String {
        guard !text.isEmpty,
            text.allSatisfy({
                $0.isASCII && ($0.isLetter || $0.isNumber || "-._:[]".contains($0))
            })
        else { throw CommandRefusal("hosts: \(text) is not of the form name or name:port.") }
        return text.lowercased()
    }

    /// A site is a scheme and a host, as browsers say it in `Origin`.
    private static func origin(_ text: String) throws -> String {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "http:" || parts[0] == "https:", parts[1].isEmpty,
            !parts[2].isEmpty, text != "*"
        else {
            throw CommandRefusal(
                "cors_origins: \(text) is not of the form https://host or https://host:port.")
        }
        return text.lowercased()
    }

    /// The tokens of `token_file`.
    /// - Throws: `CommandRefusal` where it cannot be read, others may read it, or a line is wrong.
    var fileTokens: [(name: String, role: Role, hash: String)] {
        get throws {
            guard let path = optionalText("token_file") else { return [] }
            let bytes: [UInt8]
            do {
                guard try FileSystem.permissions(path) & 0o077 == 0 else {
                    throw CommandRefusal(
                        "token_file \(path) can be read by others: chmod 600 \(path).")
                }
                bytes = try FileSystem.read(path, limit: 1 << 20)
            } catch let error as Errno {
                throw CommandRefusal("token_file \(path) cannot be read: \(error).")
            }
            var tokens: [(name: String, role: Role, hash: String)] = []
            let lines = String(decoding: bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                let words = line.split { $0 == " " || $0 == "\t" }
                guard let first = words.first, !first.hasPrefix("#") else { continue }
                guard words.count == 3, Settings.roles.contains(String(words[1])),
                    let role = Role(rawValue: String(words[1])),
                    let hash = TokenText.hash(String(words[2]))
                else {
                    throw CommandRefusal(
                        "token_file \(path), line \(index + 1): not NAME ROLE TOKEN, with TOKEN "
                            + "apy_… of 256 bits or sha256: and 64 hex digits.")
                }
                tokens.append((String(first), role, hash))
            }
            return tokens
        }
    }
}
