internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems

@Sendable func listMaps(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try call.parameter("program")
    let maps = service.node.maps().filter { map in
        (program ?? map.program) == map.program && call.sees(map.program, service.node)
    }
    return try page(maps, call)
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

@Sendable func freezeMap(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let isDryRun = try call.isDryRun
    let changed = try service.node.freeze(map, isDryRun: isDryRun)
    var document = document(of: map)
    document["changed"] = .bool(changed)
    if isDryRun { document["dry_run"] = true }
    return .json(.object(document), int64: try call.int64)
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
    document["flags"] = JSONValue(map.flags)
    document["flag_names"] = .array(MapFlags.names(in: map.flags).map { .string($0) })
    document["frozen"] = map.isFrozen.map { .bool($0) } ?? .null
    document["operations"] = .array(map.uses.map { .string($0.rawValue) })
    document["key_type"] = JSONValue(map.keyType)
    document["value_type"] = JSONValue(map.valueType)
    document["memory_bytes"] = number(map.memoryBytes)
    document["entry_count"] = number(map.entryCount())
    document["pinned"] = true
    document["revision"] = .string(String(map.revision))
    return document
}
