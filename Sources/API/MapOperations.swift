internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems

@Sendable func listMaps(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try call.parameter("program")
    return try page(service.node.maps().filter { (program ?? $0.program) == $0.program }, call)
}

@Sendable func listProgramMaps(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try page(try service.node.program(call.variables[0]).maps, call)
}

private func page(_ maps: [MapView], _ call: Call) throws(Problem) -> Answer {
    let type = try call.parameter("type")
    let shown = maps.filter { (type ?? $0.info.type.name) == $0.info.type.name }
    // A program's name has no slash, so the pair sorts and compares as one text.
    return try .page(
        of: shown.sorted { ($0.program, $0.name) < ($1.program, $1.name) },
        by: { $0.program + "/" + $0.name }, call, document)
}

@Sendable func getMap(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    return try .resource(document(of: map), revision: map.revision, call)
}

private func document(of map: MapView) -> JSONObject {
    var document = JSONObject()
    document["program"] = .string(map.program)
    document["name"] = .string(map.name)
    document["type"] = .string(map.info.type.name)
    document["kernel_id"] = JSONValue(map.info.id)
    document["key_size_bytes"] = JSONValue(map.info.keySize)
    document["value_size_bytes"] = JSONValue(map.info.valueSize)
    document["max_entries"] = JSONValue(map.info.maxEntries)
    document["flags"] = JSONValue(map.info.flags)
    document["key_type"] = JSONValue(map.keyType)
    document["value_type"] = JSONValue(map.valueType)
    document["memory_bytes"] = number(map.memoryBytes)
    document["entry_count"] = number(map.entryCount())
    document["pinned"] = true
    document["revision"] = .string(String(map.revision))
    return document
}

extension Call {
    var entryStyle: EntryStyle {
        get throws(Problem) {
            EntryStyle(
                encoding: try choice("encoding", default: EntryEncoding.typed), int64: try int64)
        }
    }
}

@Sendable func listEntries(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let page = try service.node.entries(
        map, after: try call.parameter("cursor"),
        limit: try call.number("limit", in: 1...1000) ?? 100, try call.entryStyle)
    let cursor = page.nextCursor.map { "\"\($0)\"" } ?? "null"
    let end = "],\"next_cursor\":\(cursor),\"revision\":null}\n"
    return Answer(body: .json(Array("{\"items\":[".utf8) + page.items + Array(end.utf8)))
}

@Sendable func getEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    return Answer(
        body: .json(try service.node.entry(map, key: call.variables[2], try call.entryStyle)))
}

@Sendable func putEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let isDryRun = try call.isDryRun
    var mode = try call.choice("mode", default: EntryMode.any)
    let mustBeAbsent = try call.conditions.ifAbsent
    if mustBeAbsent { mode = .create }
    let outcome: (entry: [UInt8], created: Bool, changed: Bool)
    do {
        outcome = try service.node.putEntry(
            map, key: call.variables[2], try call.document(), mode, try call.entryStyle,
            isDryRun: isDryRun)
    } catch {
        guard mustBeAbsent, error.type == .alreadyExists else { throw error }
        throw Problem(.preconditionFailed, error.detail)
    }
    let end = ",\"changed\":\(outcome.changed)\(isDryRun ? ",\"dry_run\":true" : "")}\n"
    let isNew = outcome.created && !isDryRun
    return Answer(
        status: isNew ? 201 : 200,
        headers: isNew ? [(name: "Location", value: call.head.rawPath)] : [],
        body: .json(outcome.entry + Array(end.utf8)))
}

@Sendable func deleteEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let existed = try service.node.deleteEntry(
        map, key: call.variables[2], try call.entryStyle, isDryRun: try call.isDryRun)
    let missingIsFine = try call.flag("missing_ok")
    guard existed || missingIsFine else {
        throw Problem(
            .notFound, "Map \(map.program)/\(map.name) has no entry \(call.variables[2]).")
    }
    return .noContent
}
