internal import HTTP
internal import Problems

/// Keeps other sites' pages out, whose browsers carry a user's reach into this host: exact names in
/// `Host` (against DNS rebinding), and `Origin` and `Sec-Fetch-Site` on every method.
struct CrossOrigin {
    private let shared: SharedRules

    init(_ shared: SharedRules) { self.shared = shared }

    /// - Throws: `wrong_host`, `cross_origin`.
    func check(_ head: RequestHead) throws(Problem) {
        try checkHost(head)
        // No browser sends one of them twice; whoever does gets the strictest reading.
        for header in head.headers where header.name == "origin" {
            let origin = header.value
            guard isOwn(origin, head) || shared.rules.origins.contains(origin) else {
                throw Problem(
                    .crossOrigin,
                    "The site \(origin) may not use this daemon: cors_origins does not list it.")
            }
        }
        for header in head.headers where header.name == "sec-fetch-site" {
            let site = header.value
            guard !["same-origin", "none"].contains(site.lowercased()) else { continue }
            // A request without CORS (an image, a form, a link) has no Origin where it is a GET.
            guard let origin = head.header("origin"), shared.rules.origins.contains(origin) else {
                throw Problem(
                    .crossOrigin, "A page of another site asks (Sec-Fetch-Site: \(site)).")
            }
        }
    }

    /// On a Unix socket no browser can be the sender, and clients write there what they like.
    private func checkHost(_ head: RequestHead) throws(Problem) {
        if case .unix = head.peer { return }
        guard let given = head.header("host") else {
            throw Problem(.wrongHost, "There is no Host header: say which host is meant.")
        }
        if shared.isKnown(host: given) { return }
        let host = given.lowercased()
        let name: String
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            let port = host[host.index(after: colon)...]
            guard UInt16(port) != nil, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw wrong(host)
            }
            name = String(host[..<colon])
        } else {
            name = host
        }
        guard shared.rules.hosts.contains(host) || shared.rules.hosts.contains(name) else {
            throw wrong(host)
        }
        shared.remember(host: given)
    }

    private func wrong(_ host: String) -> Problem {
        Problem(
            .wrongHost, "Host \(host) is not this daemon's: use localhost, or add it to hosts.",
            hint: "It answers to " + shared.rules.hosts.sorted().joined(separator: ", ") + ".")
    }

    private func isOwn(_ origin: String, _ head: RequestHead) -> Bool {
        guard let host = head.header("host")?.lowercased() else { return false }
        let scheme = if case .tls = head.peer { "https://" } else { "http://" }
        return origin.lowercased() == scheme + host
    }

    /// What lets a configured site read the answer; nothing for any other.
    func headers(for head: RequestHead) -> [(name: String, value: String)] {
        guard !shared.rules.origins.isEmpty else { return [] }
        var headers = [(name: "Vary", value: "Origin")]
        guard let origin = head.header("origin"), shared.rules.origins.contains(origin) else {
            return headers
        }
        headers.append((name: "Access-Control-Allow-Origin", value: origin))
        headers.append(
            (
                name: "Access-Control-Expose-Headers",
                value: "ETag, Location, Retry-After, X-Request-Id, Allow"
            ))
        guard head.method == .options, head.header("access-control-request-method") != nil else {
            return headers
        }
        headers.append(
            (name: "Access-Control-Allow-Methods", value: "GET, HEAD, PUT, POST, PATCH, DELETE"))
        headers.append(
            (
                name: "Access-Control-Allow-Headers",
                value: "Authorization, Content-Type, Content-Encoding, If-Match, If-None-Match, "
                    + "Last-Event-ID, Prefer, X-Request-Id, X-Apiary-Signature"
            ))
        headers.append((name: "Access-Control-Max-Age", value: "600"))
        return headers
    }
}
