internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

@Sendable func listAudit(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let limit = try call.number("limit", in: 1...1000) ?? 100
    var before = Int64.max
    if let cursor = try call.parameter("cursor") {
        guard let number = Int64(cursor), number > 0 else {
            throw Problem(.invalidCursor, "\"\(cursor)\" is not a next_cursor of this list.")
        }
        before = number
    }
    let filter = AuditFilter(
        actor: try call.parameter("actor"), action: try call.parameter("action"),
        subject: try call.parameter("subject"), outcome: try call.parameter("outcome"))
    let rows = try service.node.auditLog(before: before, limit: limit + 1, filter)
    let next = rows.count > limit ? String(rows[limit - 1].sequence) : nil
    return .json(
        Answer.list(
            rows.prefix(limit).map(document), next, .string(String(call.revision))),
        int64: try call.int64)
}

private func document(of row: AuditRow) -> JSONValue {
    [
        "sequence": JSONValue(row.sequence),
        "time": Timestamp(nanoseconds: row.timeNanoseconds).json,
        "request_id": .string(row.requestID), "actor": .string(row.actor),
        "action": .string(row.action), "subject": .string(row.subject),
        "outcome": .string(row.outcome),
        "revision": row.revision.map { .string(String($0)) } ?? .null,
        "peer": .string(row.peer), "digest": JSONValue(row.digest), "hash": .string(row.hash),
    ]
}

@Sendable func getAuditChain(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let chain = try service.node.verifyAudit()
    return .json(
        [
            "intact": .bool(chain.brokenAt == nil), "rows": JSONValue(chain.rows),
            "first_sequence": number(chain.firstSequence),
            "last_sequence": number(chain.lastSequence), "head": .string(chain.head),
            "broken_at": number(chain.brokenAt),
        ], int64: try call.int64)
}
