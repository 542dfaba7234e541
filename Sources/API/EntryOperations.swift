internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems

extension Call {
    var entryStyle: EntryStyle {
        get throws(Problem) {
            EntryStyle(
                encoding: try choice("encoding", default: EntryEncoding.typed), int64: try int64,
                cpu: try choice("cpu", default: CPUView.each))
        }
    }

    /// What the entries are that a list, a dump or a count is to have.
    var entryQuery: EntryQuery {
        get throws(Problem) {
            var query = EntryQuery(style: try entryStyle)
            query.conditions = parameters("where")
            guard query.conditions.count <= 16 else {
                throw Problem(
                    .invalidParameter,
                    "where is given \(query.conditions.count) times: 16 conditions are allowed.")
            }
            query.prefix = try parameter("prefix")
            return query
        }
    }

    /// The tags of `If-Match`, `*` among them; nil without it.
    var entryTags: [String]? {
        get throws(Problem) {
            switch try conditions.ifMatch {
            case nil: nil
            case .any: ["*"]
            case .revisions(let tags): tags
            }
        }
    }
}

/// How `GET …/entries` answers.
private enum EntryFormat { case page, ndjson, csv, sse }

private func entryFormat(_ call: Call) throws(Problem) -> EntryFormat {
    let isFollow = try call.parameter("follow") != nil
    let formats: [(name: String, type: String, format: EntryFormat)] = [
        ("json", "application/json", .page), ("ndjson", "application/x-ndjson", .ndjson),
        ("csv", "text/csv", .csv), ("sse", "text/event-stream", .sse),
    ]
    if let name = try call.parameter("format") {
        guard let found = formats.first(where: { $0.name == name }) else {
            throw Problem(
                .invalidParameter, "format=\(name) is not allowed: json, ndjson, csv, sse.")
        }
        return found.format
    }
    guard let accept = call.head.header("accept") else { return isFollow ? .ndjson : .page }
    for part in accept.split(separator: ",") {
        let range = part.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        if let found = formats.first(where: { $0.type == range }) { return found.format }
        if ["*/*", "application/*"].contains(range) { return isFollow ? .ndjson : .page }
        if range == "text/*" { return isFollow ? .sse : .csv }
    }
    throw Problem(
        .notAcceptable,
        "Accept: \(accept) leaves nothing: application/json, application/x-ndjson, text/csv, "
            + "text/event-stream.")
}

@Sendable func listEntries(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try entries(
        service, call, try service.node.map(call.variables[0], call.variables[1]))
}

func entries(_ service: Service, _ call: Call, _ map: MapView) throws(Problem) -> Answer {
    let format = try entryFormat(call)
    if let interval = try call.parameter("follow") {
        return try follow(service, call, map, interval, format)
    }
    if try call.flag("count") { return try count(service, call, map) }
    switch format {
    case .page: return try page(service, call, map)
    case .ndjson: return try wholeMap(service, call, map, .ndjson, type: "application/x-ndjson")
    case .csv: return try wholeMap(service, call, map, .csv, type: "text/csv")
    case .sse:
        throw Problem(
            .notAcceptable, "A dump is application/x-ndjson or text/csv; follow=1s gives events.")
    }
}

private func page(_ service: Service, _ call: Call, _ map: MapView) throws(Problem) -> Answer {
    var query = try call.entryQuery
    query.limit = try call.number("limit", in: 1...1000) ?? 100
    let page = try service.node.entries(map, after: try call.parameter("cursor"), query)
    let cursor = page.nextCursor.map { "\"\($0)\"" } ?? "null"
    let restarted = page.isRestarted ? ",\"restarted\":true" : ""
    let end = "],\"next_cursor\":\(cursor),\"revision\":null\(restarted)}\n"
    return Answer(body: .json(Array("{\"items\":[".utf8) + page.items + Array(end.utf8)))
}

private func count(_ service: Service, _ call: Call, _ map: MapView) throws(Problem) -> Answer {
    let (count, isConsistent) = try service.node.countEntries(map, try call.entryQuery)
    return .json(["count": JSONValue(count), "consistent": .bool(isConsistent)])
}

private func wholeMap(
    _ service: Service, _ call: Call, _ map: MapView, _ format: DumpFormat, type: String
) throws(Problem) -> Answer {
    if try call.parameter("cursor") != nil {
        throw Problem(
            .invalidParameter, "A dump has no cursor: it begins at the first entry. Leave it out.")
    }
    var query = try call.entryQuery
    query.limit = try call.number("limit", in: 1...Int.max)
    try service.node.admitDump(map, limit: query.limit)
    let dump = try service.node.entryDump(map, query, format)
    if call.head.method == .head { return Answer(headers: [(name: "Content-Type", value: type)]) }
    return Answer(body: .stream(DumpAnswer(dump, service.node), type: type))
}

private func follow(
    _ service: Service, _ call: Call, _ map: MapView, _ interval: String, _ format: EntryFormat
) throws(Problem) -> Answer {
    for name in ["limit", "cursor", "count"]
    where !call.parameters(name).isEmpty {
        throw Problem(.invalidParameter, "\(name) does not go with follow: leave it out.")
    }
    let (framing, type): (FollowFormat, String) =
        switch format {
        case .ndjson: (.ndjson, "application/x-ndjson")
        case .sse: (.sse, "text/event-stream")
        case .page, .csv:
            throw Problem(
                .notAcceptable, "follow is application/x-ndjson or text/event-stream.")
        }
    let follower = try service.node.follow(
        map, everyNanoseconds: try nanoseconds(interval), try call.entryQuery, framing)
    if call.head.method == .head {
        follower.close()
        return Answer(headers: [(name: "Content-Type", value: type)])
    }
    return Answer(body: .stream(FollowAnswer(follower), type: type))
}

/// `500ms`, `1s`, `2m`: 100 ms to an hour.
private func nanoseconds(_ text: String) throws(Problem) -> UInt64 {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let units: [String: UInt64] = [
        "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]
    guard let count = UInt64(digits), let unit = units[String(text.dropFirst(digits.count))],
        case let (product, isOver) = count.multipliedReportingOverflow(by: unit), !isOver,
        (100_000_000...3_600_000_000_000).contains(product)
    else {
        throw Problem(.invalidParameter, "follow=\(text) is not allowed: 100ms to 1h, as 1s.")
    }
    return product
}

/// A follower as the answer of a request.
private final class FollowAnswer: ResponseStream {
    private let follower: MapFollower

    init(_ follower: MapFollower) { self.follower = follower }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        switch follower.read(into: &buffer, wake: wake) {
        case .more: .more
        case .wait: .wait
        case .end: .end
        }
    }

    func closed() { follower.close() }
}

/// A dump as the answer of a request.
private final class DumpAnswer: ResponseStream {
    private let dump: EntryDump
    private let node: Node

    init(_ dump: EntryDump, _ node: Node) {
        self.dump = dump
        self.node = node
    }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        switch dump.read(into: &buffer, wake: wake) {
        case .more: return .more
        case .wait: return .wait
        case .pause:
            // Others of this thread's connections have their turn before the next batch.
            node.later(wake)
            return .wait
        case .end: return .end
        case .broken: return .abort
        }
    }

    func closed() { dump.close() }
}

@Sendable func getEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try entry(
        service, call, try service.node.map(call.variables[0], call.variables[1]),
        key: call.variables[2])
}

func entry(_ service: Service, _ call: Call, _ map: MapView, key: String) throws(Problem)
    -> Answer
{
    let entry = try service.node.entry(map, key: key, try call.entryStyle)
    let tag = EntityTag(quoted: entry.quotedTag)
    if let copy = try Answer.unchanged(since: tag, call) { return copy }
    return Answer(headers: [tag.header], body: .json(entry.json))
}

@Sendable func putEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let map = try service.node.map(call.variables[0], call.variables[1])
    let isDryRun = try call.isDryRun
    var mode = try call.choice("mode", default: EntryMode.any)
    let mustBeAbsent = try call.conditions.ifAbsent
    if mustBeAbsent { mode = .create }
    let outcome: EntryChange
    do {
        outcome = try service.node.putEntry(
            map, key: call.variables[2], try call.document(), mode, ifMatch: try call.entryTags,
            try call.entryStyle, isDryRun: isDryRun)
    } catch {
        guard mustBeAbsent, error.type == .alreadyExists else { throw error }
        throw Problem(.preconditionFailed, error.detail)
    }
    let end = ",\"changed\":\(outcome.changed)\(isDryRun ? ",\"dry_run\":true" : "")}\n"
    let isNew = outcome.created && !isDryRun
    var headers = [EntityTag(outcome.tag).header]
    if isNew { headers.append((name: "Location", value: call.head.rawPath)) }
    return Answer(
        status: isNew ? 201 : 200, headers: headers,
        body: .json(outcome.entry + Array(end.utf8)))
}

@Sendable func deleteEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let missingIsFine = try call.flag("missing_ok")
    let map: MapView
    do { map = try service.node.map(call.variables[0], call.variables[1]) } catch {
        // Of a map that is not there no entry is either.
        if missingIsFine { return .noContent }
        throw error
    }
    let existed = try service.node.deleteEntry(
        map, key: call.variables[2], ifMatch: try call.entryTags, try call.entryStyle,
        isDryRun: try call.isDryRun)
    guard existed || missingIsFine else {
        throw Problem(
            .notFound, "Map \(map.program)/\(map.name) has no entry \(call.variables[2]).")
    }
    return .noContent
}

@Sendable func listKernelEntries(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try entries(service, call, try kernelMap(service, call))
}

@Sendable func getKernelEntry(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try entry(service, call, try kernelMap(service, call), key: call.variables[1])
}

private func kernelMap(_ service: Service, _ call: Call) throws(Problem) -> MapView {
    guard let id = UInt32(call.variables[0]) else {
        throw Problem(.notFound, "\(call.variables[0]) is not a kernel id: a number.")
    }
    return try service.node.kernelMap(id)
}
