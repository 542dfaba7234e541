internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

@Sendable func listObjects(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let limit = try call.number("limit", in: 1...1000) ?? 100
    let after = try call.parameter("cursor").map(PageCursor.key) ?? ""
    let rows = try service.node.objects(after: after, limit: limit + 1)
    let names = programNames(service)
    let items = rows.prefix(limit).map { JSONValue.object(document(of: $0, names)) }
    let next = rows.count > limit ? PageCursor.text(rows[limit - 1].digest) : nil
    return .json(
        Answer.list(items, next, .string(String(call.revision))), int64: try call.int64)
}

@Sendable func getObject(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let digest = call.variables[0]
    try checkDigest(digest, pointer: nil)
    let accept = call.head.header("accept") ?? "*/*"
    guard accept.contains("application/json") else {
        return try objectAnswer(digest, service, call)
    }
    let row = try service.node.objectRow(digest)
    let tag = EntityTag(digest)
    if let copy = try Answer.unchanged(since: tag, call) { return copy }
    return .json(
        .object(document(of: row, programNames(service))), int64: try call.int64,
        headers: [tag.header])
}

@Sendable func putObject(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let digest = call.variables[0]
    try checkDigest(digest, pointer: nil)
    guard case .file(let file, let size, let own) = call.body, size > 0 else {
        throw Problem(.objectRefused, "The body is empty: send the ELF, curl -T x.bpf.o.")
    }
    let isDryRun = try call.isDryRun
    let outcome = try service.node.putObject(
        UploadedObject(file: file, size: size, digest: "sha256:" + own), as: digest,
        try call.conditions, isDryRun: isDryRun, call.origin)
    var document = document(of: outcome.row, programNames(service))
    document["changed"] = .bool(outcome.created)
    if isDryRun { document["dry_run"] = true }
    let isNew = outcome.created && !isDryRun
    var headers = [EntityTag(digest).header]
    if isNew { headers.append((name: "Location", value: "/v1/objects/\(digest)")) }
    return .json(
        .object(document), status: isNew ? 201 : 200, int64: try call.int64, headers: headers)
}

@Sendable func deleteObject(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let missingIsFine = try call.flag("missing_ok")
    let digest = call.variables[0]
    try checkDigest(digest, pointer: nil)
    _ = try service.node.deleteObject(
        digest, try call.conditions, missingIsFine: missingIsFine, isDryRun: try call.isDryRun,
        call.origin)
    return .noContent
}

@Sendable func deleteUnusedObjects(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    guard try call.flag("unused") else {
        throw Problem(
            .invalidParameter,
            "unused=true is missing: DELETE /v1/objects?unused=true forgets those that no program "
                + "is made from.")
    }
    let isDryRun = try call.isDryRun
    let removed = try service.node.deleteUnusedObjects(isDryRun: isDryRun, call.origin)
    var document = JSONObject()
    document["removed"] = .array(removed.map { .string($0.digest) })
    document["size_bytes"] = JSONValue(removed.reduce(0) { $0 + $1.sizeBytes })
    document["changed"] = .bool(!removed.isEmpty)
    if isDryRun { document["dry_run"] = true }
    return .json(.object(document), int64: try call.int64)
}

private func programNames(_ service: Service) -> [String: [String]] {
    Dictionary(grouping: service.node.programs(), by: \.row.digest)
        .mapValues { $0.map(\.row.name) }
}

private func document(of row: KeptObject, _ names: [String: [String]]) -> JSONObject {
    var document = JSONObject()
    document["digest"] = .string(row.digest)
    document["size_bytes"] = JSONValue(row.sizeBytes)
    document["created_at"] = Timestamp(nanoseconds: row.createdAtNanoseconds).json
    document["programs"] = .array((names[row.digest] ?? []).map { .string($0) })
    return document
}
