internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems

@Sendable func listGlobals(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try globals(service, call, [:])
}

private func globals(_ service: Service, _ call: Call, _ more: [String: JSONValue])
    throws(Problem) -> Answer
{
    let program = try service.node.program(call.variables[0])
    let all = program.globals
    let tag = EntityTag(program.tag(of: all))
    if more.isEmpty, let copy = try Answer.unchanged(since: tag, call) { return copy }
    var document = JSONObject()
    document["items"] = .array(all.map { .object(shown($0)) })
    document["next_cursor"] = .null
    document["revision"] = .string(String(program.row.revision))
    for member in more.sorted(by: { $0.key < $1.key }) { document[member.key] = member.value }
    return .json(.object(document), int64: try call.int64, headers: [tag.header])
}

private func shown(_ view: GlobalView) -> JSONObject {
    var document = JSONObject()
    document["name"] = .string(view.global.name)
    document["section"] = .string(view.global.section)
    document["type"] = .string(view.global.type)
    document["value"] = view.value ?? .null
    return document
}

@Sendable func getGlobal(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let view = try service.node.global(call.variables[0], call.variables[1])
    let tag = EntityTag(view.tag)
    if let copy = try Answer.unchanged(since: tag, call) { return copy }
    return .json(.object(shown(view)), int64: try call.int64, headers: [tag.header])
}

/// `{"name":value,…}`: all are checked before the first is written.
@Sendable func patchGlobals(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let values = try call.document().members.map {
        ($0.name, $0.value, JSONPointer.root.appending($0.name))
    }
    let isDryRun = try call.isDryRun
    let changed = try service.node.setGlobals(
        call.variables[0], values, try call.conditions, isDryRun: isDryRun, call.origin)
    var more: [String: JSONValue] = ["changed": .bool(changed)]
    if isDryRun { more["dry_run"] = true }
    return try globals(service, call, more)
}

@Sendable func patchGlobal(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let (program, name) = (call.variables[0], call.variables[1])
    let fields = try Fields(try call.document(), known: ["value"])
    guard let value = fields.object["value"] else { throw fields.missing("value") }
    let isDryRun = try call.isDryRun
    let pointer = JSONPointer.root.appending("value")
    let changed = try service.node.setGlobals(
        program, [(name, value, pointer)], try call.conditions, alone: name, isDryRun: isDryRun,
        call.origin)
    let view = try service.node.global(program, name)
    var document = shown(view)
    document["changed"] = .bool(changed)
    if isDryRun { document["dry_run"] = true }
    return .json(.object(document), int64: try call.int64, headers: [EntityTag(view.tag).header])
}
