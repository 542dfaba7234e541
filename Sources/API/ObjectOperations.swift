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
    return .json(
        .object(document(of: row, programNames(service))), int64: try call.int64,
        headers: [(name: "ETag", value: "\"\(digest)\"")])
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
