internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

@Sendable func listTokens(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try .page(of: service.node.tokens.all, by: \.name, call) { token in document(of: token) }
}

@Sendable func getToken(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let name = call.variables[0]
    guard let token = service.node.tokens.all.first(where: { $0.name == name }) else {
        throw Problem(.notFound, "There is no token \(name).")
    }
    return try .resource(document(of: token), revision: token.revision, call)
}

@Sendable func postToken(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let fields = try Fields(
        try call.document(), known: ["name", "role", "programs", "labels", "expires_in_s"])
    let role = try fields.choice("role", of: Role.self)
    guard let role, role != .none else { throw fields.missing("role") }
    let scope = Scope(
        programs: try patterns(fields), labels: try fields.labels("labels") ?? [:])
    let new = NewToken(
        name: try fields.requiredString("name"), role: role, scope: scope,
        expiresInSeconds: try expiry(fields))
    let isDryRun = try call.isDryRun
    let (token, text) = try service.node.tokens.create(new, call.origin, isDryRun: isDryRun)
    var document = document(of: token)
    // Shown this once, and of a rehearsal never.
    if !isDryRun { document["token"] = .string(text) }
    return try .change(
        document, revision: token.revision, changed: true, created: !isDryRun,
        at: "/v1/tokens/\(token.name)", call)
}

private func patterns(_ fields: Fields) throws(Problem) -> [String]? {
    guard let patterns = try fields.strings("programs") else { return nil }
    let isFine =
        (1...64).contains(patterns.count)
        && patterns.allSatisfy { pattern in
            (1...127).contains(pattern.utf8.count)
                && pattern.utf8.allSatisfy { $0.isAlphanumeric || "_.-*?".utf8.contains($0) }
        }
    guard isFine else {
        throw Problem(
            .invalidMember,
            "programs takes 1 to 64 names in which * stands for any letters: [\"team-a.*\"].",
            pointer: "/programs")
    }
    return patterns
}

private func expiry(_ fields: Fields) throws(Problem) -> Int? {
    guard let value = fields.object["expires_in_s"], value != .null else { return nil }
    let longest = 10 * 366 * 86400
    guard let seconds = value.int, (1...longest).contains(seconds) else {
        throw Problem(
            .invalidMember, "expires_in_s must be an integer from 1 to \(longest).",
            pointer: "/expires_in_s")
    }
    return seconds
}

@Sendable func deleteToken(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let name = call.variables[0]
    let missingIsFine = try call.flag("missing_ok")
    let exists = service.node.tokens.all.contains { $0.name == name }
    guard exists else {
        if missingIsFine { return .noContent }
        throw Problem(.notFound, "There is no token \(name).")
    }
    if try call.isDryRun { return .noContent }
    // Also where the disk refuses: it opens nothing any more.
    defer { service.shutOut(.token(name)) }
    _ = try service.node.tokens.revoke(name, call.origin)
    return .noContent
}

private func document(of token: Token) -> JSONObject {
    var document = JSONObject()
    document["name"] = .string(token.name)
    document["role"] = .string(token.role.rawValue)
    document["programs"] = token.scope.programs.map { .array($0.map { .string($0) }) } ?? .null
    document["labels"] = labelsDocument(token.scope.labels)
    document["created_at"] = Timestamp(nanoseconds: token.createdAtNanoseconds).json
    document["created_by"] = .string(token.createdBy)
    document["expires_at"] =
        token.expiresAtNanoseconds.map { Timestamp(nanoseconds: $0).json } ?? .null
    document["expired"] = .bool(token.isExpired(at: Clock.realtimeNanoseconds()))
    document["last_used_at"] =
        token.lastUsedAtNanoseconds.map { Timestamp(nanoseconds: $0).json } ?? .null
    document["revision"] = .string(String(token.revision))
    return document
}

@Sendable func postTicket(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let fields = try Fields(try call.document(), known: ["path"])
    let path = try fields.requiredString("path")
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let isEntries = parts.count == 6 && path.hasPrefix("/v1/maps/") && path.hasSuffix("/entries")
    guard path == "/v1/events" || isEntries, !path.contains("?") else {
        throw Problem(
            .invalidMember,
            "path is that of a stream without its query: /v1/events or "
                + "/v1/maps/{program}/{map}/entries.", pointer: "/path")
    }
    let text = try service.tickets.make(for: call.caller, path: path)
    let expiry = Clock.realtimeNanoseconds() + UInt64(Tickets.lifeSeconds) * 1_000_000_000
    return .json(
        [
            "ticket": .string(text), "path": .string(path),
            "expires_at": Timestamp(nanoseconds: expiry).json,
        ], status: 201)
}
