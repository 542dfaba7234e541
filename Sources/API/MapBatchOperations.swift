internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems

@Sendable func postBatch(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let body: BatchBody
    switch call.body {
    case .bytes(let bytes) where !bytes.isEmpty: body = .document(bytes)
    case .file(let file, let size, _) where size > 0: body = .lines(file, size: size)
    default:
        throw Problem(.malformedJSON, "The body is empty: send a JSON object, or lines of them.")
    }
    var options = BatchOptions()
    options.style = try call.entryStyle
    options.mode = try call.choice("mode", default: EntryMode.any)
    options.isDryRun = try call.isDryRun
    switch try call.parameter("results") {
    case nil, "all": break
    case "failed": options.listsOnlyFailures = true
    case let other?:
        throw Problem(.invalidParameter, "results=\(other) is not allowed: all, failed.")
    }
    options.givesLines = try wantsLines(call)
    guard options.givesLines else {
        return Answer(body: .json(try service.node.batch(map, body, options)))
    }
    let stream = try service.node.batchStream(map, body, options)
    return Answer(
        body: .stream(BatchAnswer(stream, service.node), type: "application/x-ndjson"))
}

private func wantsLines(_ call: Call) throws(Problem) -> Bool {
    switch try call.parameter("format") {
    case "ndjson": return true
    case "json": return false
    case let other?:
        throw Problem(.invalidParameter, "format=\(other) is not allowed: json, ndjson.")
    case nil: break
    }
    guard let accept = call.head.header("accept") else { return false }
    for part in accept.split(separator: ",") {
        switch part.prefix(while: { $0 != ";" }).filter({ $0 != " " }).lowercased() {
        case "application/x-ndjson": return true
        case "application/json", "application/*", "*/*": return false
        default: continue
        }
    }
    throw Problem(
        .notAcceptable,
        "Accept: \(accept) leaves nothing: application/json, application/x-ndjson.")
}

/// A batch as the answer of a request.
private final class BatchAnswer: ResponseStream {
    private let batch: BatchStream
    private let node: Node

    init(_ batch: BatchStream, _ node: Node) {
        self.batch = batch
        self.node = node
    }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        switch batch.read(into: &buffer) {
        case .more: return .more
        case .end: return .end
        case .broken: return .abort
        case .pause, .wait:
            node.later(wake)
            return .wait
        }
    }

    /// Also where the client has gone away in the middle: what was asked for is done.
    func closed() {
        let batch = batch
        node.later { batch.finish() }
    }
}

@Sendable func clearEntries(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let isDryRun = try call.isDryRun
    let count = try service.node.clear(map, isDryRun: isDryRun)
    var document = JSONObject()
    document["cleared"] = JSONValue(count)
    if isDryRun { document["dry_run"] = true }
    return .json(.object(document))
}

@Sendable func pushValue(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let fields = try Fields(try call.document(), known: ["value"])
    guard let value = fields.object["value"] else { throw fields.missing("value") }
    try service.node.push(
        map, value, overwrites: try call.flag("overwrite"), type: try call.parameter("type"),
        try call.entryStyle,
        isDryRun: try call.isDryRun)
    return .noContent
}

@Sendable func popValue(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try next(service, call, takes: !(try call.isDryRun))
}

@Sendable func peekValue(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    guard case .bytes(let bytes) = call.body, !bytes.isEmpty else {
        return try next(service, call, takes: false)
    }
    let map = try service.node.map(call.variables[0], call.variables[1])
    let fields = try Fields(try call.document(), known: ["value"])
    guard let value = fields.object["value"] else {
        return try next(service, call, takes: false)
    }
    guard try service.node.mayHave(map, value, try call.entryStyle) else {
        throw Problem(.notFound, "Map \(map.program)/\(map.name) has no such value.")
    }
    var document = JSONObject()
    document["value"] = value
    return .json(.object(document), int64: try call.int64)
}

private func next(_ service: Service, _ call: Call, takes: Bool) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    guard let value = try service.node.next(map, takes: takes, try call.entryStyle) else {
        throw Problem(.notFound, "Map \(map.program)/\(map.name) is empty.")
    }
    return Answer(body: .json(value))
}
