internal import ControlPlane
internal import Events
internal import HTTP
internal import JSON
internal import Problems

@Sendable func getEvents(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    var query = StreamQuery()
    query.program = try call.parameter("program")
    query.map = try call.parameter("map")
    query.type = try call.parameter("type")
    query.follow = try call.flag("follow", default: true)
    query.limit = try call.number("limit", in: 1...Int.max)
    query.int64 = try call.int64
    if let text = try call.parameter("records") {
        guard let records = StreamQuery.Records(rawValue: text) else {
            throw Problem(
                .invalidParameter, "records=\(text) is not allowed: all, events, invalid.")
        }
        query.records = records
    }
    let (format, type) = try streamFormat(call)
    query.format = format
    // `since` wins: a client that says both means the one that it wrote itself.
    switch try call.parameter("since") ?? call.head.header("last-event-id") {
    case nil: query.since = query.follow ? .now : .oldest
    case "now": query.since = .now
    case "oldest": query.since = .oldest
    case let cursor?: query.since = .cursor(cursor)
    }
    if let program = query.program { try service.checkScope(program, call) }
    if !call.caller.scope.isAll {
        query.admits = { [node = service.node, scope = call.caller.scope] program in
            node.contains(scope, program: program)
        }
    }
    try checkExists(query, service)
    if call.head.method == .head { return Answer(headers: [(name: "Content-Type", value: type)]) }
    do {
        let subscription = try service.node.events.subscribe(query)
        return Answer(body: .stream(EventAnswer(subscription), type: type))
    } catch {
        switch error {
        case .invalidCursor(let text):
            throw Problem(
                .invalidCursor,
                "since=\(text) is not a cursor of this daemon: oldest, now, or one of its own.")
        }
    }
}

/// Whether what is asked for is loaded, or has left records behind: a misspelt name would wait for
/// ever.
private func checkExists(_ query: StreamQuery, _ service: Service) throws(Problem) {
    guard let program = query.program else { return }
    let streams = service.node.events.ledger().map(\.key).filter { $0.program == program }
    if streams.isEmpty { _ = try service.node.program(program) }
    guard let map = query.map, !streams.contains(where: { $0.map == map }) else { return }
    _ = try service.node.map(program, map)
    throw Problem(
        .notFound, "Map \(program)/\(map) is no ring: it has no events.",
        hint: streams.isEmpty ? nil : "Rings: " + streams.map(\.map).joined(separator: ", ") + ".")
}

/// `?format=`, else what `Accept` names first, else NDJSON.
private func streamFormat(_ call: Call) throws(Problem) -> (StreamFormat, String) {
    let formats: [(name: String, type: String, format: StreamFormat)] = [
        ("ndjson", "application/x-ndjson", .ndjson), ("sse", "text/event-stream", .sse),
        ("json-seq", "application/json-seq", .jsonSequence),
    ]
    if let name = try call.parameter("format") {
        guard let found = formats.first(where: { $0.name == name }) else {
            throw Problem(
                .invalidParameter, "format=\(name) is not allowed: ndjson, sse, json-seq.")
        }
        return (found.format, found.type)
    }
    guard let accept = call.head.header("accept") else {
        return (.ndjson, formats[0].type)
    }
    for part in accept.split(separator: ",") {
        let range = part.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        if let found = formats.first(where: { $0.type == range }) {
            return (found.format, found.type)
        }
        if ["*/*", "application/*", "application/json", "application/ndjson"].contains(range) {
            return (.ndjson, formats[0].type)
        }
        if range == "text/*" { return (.sse, formats[1].type) }
    }
    throw Problem(
        .notAcceptable,
        "Accept: \(accept) leaves nothing: application/x-ndjson, text/event-stream, "
            + "application/json-seq."
    )
}

/// A subscription as the answer of a request.
private final class EventAnswer: EndableStream {
    private let subscription: Subscription

    init(_ subscription: Subscription) {
        self.subscription = subscription
    }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        switch subscription.read(into: &buffer, wake: wake) {
        case .more: .more
        case .wait: .wait
        case .end: .end
        }
    }

    func closed() { subscription.close() }

    func endRevoked() { subscription.end(.tokenRevoked) }
}

@Sendable func getLedger(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try call.parameter("program")
    let streams = service.node.events.ledger().filter {
        (program ?? $0.key.program) == $0.key.program
            && call.sees($0.key.program, service.node)
    }
    if let program, streams.isEmpty { _ = try service.node.program(program) }
    return .json(
        Answer.list(streams.map(document), nil, .string(String(call.revision))),
        int64: try call.int64)
}

private func document(of stream: StreamLedger) -> JSONValue {
    var invalid = JSONObject()
    for (reason, count) in stream.invalid.sorted(by: { $0.key < $1.key }) {
        invalid[reason] = JSONValue(count)
    }
    return [
        "program": .string(stream.key.program), "map": .string(stream.key.map),
        "open": .bool(stream.isOpen), "produced": number(stream.produced),
        "received": JSONValue(stream.received), "journaled": JSONValue(stream.journaled),
        "invalid": .object(invalid), "evicted": JSONValue(stream.evicted),
        "lost": [
            "kernel": number(stream.lostInKernel), "journal": JSONValue(stream.lostInJournal),
        ],
        "oldest_seq": JSONValue(stream.oldestSequence),
        "next_seq": JSONValue(stream.nextSequence),
        "retained_bytes": JSONValue(stream.retainedBytes),
        "readers": .array(
            stream.readers.map { reader in
                [
                    "id": JSONValue(reader.id), "delivered": JSONValue(reader.delivered),
                    "filtered": JSONValue(reader.filtered), "lost": JSONValue(reader.lost),
                    "pending": JSONValue(reader.pending),
                ]
            }),
    ]
}
