internal import ControlPlane
internal import Events
internal import HTTP
internal import JSON
internal import Problems

@Sendable func getEvents(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let read = try EventQuery(call)
    var query = read.query
    if let program = query.program { try service.checkScope(program, call) }
    if query.isTracePipe {
        try service.node.openTracePipe()
    } else {
        try checkExists(query, service)
    }
    if !call.caller.scope.isAll {
        query.admits = { [node = service.node, scope = call.caller.scope] program in
            node.contains(scope, program: program)
        }
    }
    if call.head.method == .head {
        return Answer(headers: [(name: "Content-Type", value: read.mediaType)])
    }
    do {
        let subscription = try service.node.events.subscribe(query)
        return Answer(body: .stream(EventAnswer(subscription), type: read.mediaType))
    } catch {
        switch error {
        case .invalidCursor(let reason):
            throw Problem(
                .invalidCursor,
                "since \(reason): send oldest, now, or the cursor of a line of this journal.")
        case .invalidFilter(let error):
            throw EventQuery.problem(error, query.filter?.text ?? "")
        case .unknownType(let type, let known):
            throw Problem(
                .invalidParameter,
                "type=\(type) names no record type of \(query.program ?? "any program").",
                hint: "Types: " + known.joined(separator: ", ") + ".")
        case .unknownField(let field, let reason, let position):
            throw EventQuery.problem(
                fields: query.fields.joined(separator: ","), "names \(field), which no type has,",
                reason, position)
        }
    }
}

/// Whether what is asked for is loaded, or has left records behind: a misspelt name would wait for
/// ever.
private func checkExists(_ query: StreamQuery, _ service: Service) throws(Problem) {
    guard let program = query.program else { return }
    let streams = service.node.events.keys(of: program)
    if streams.isEmpty { _ = try service.node.program(program) }
    guard let map = query.map, !streams.contains(where: { $0.map == map }) else { return }
    _ = try service.node.map(program, map)
    throw Problem(
        .notFound, "Map \(program)/\(map) is no ring: it has no events.",
        hint: streams.isEmpty ? nil : "Rings: " + streams.map(\.map).joined(separator: ", ") + ".")
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

    var handlesStalls: Bool { true }

    func stalled() { subscription.end(.slowConsumer) }

    func closed() { subscription.close() }

    func endRevoked() { subscription.end(.tokenRevoked) }
}

@Sendable func getLedger(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try call.parameter("program")
    var streams = service.node.events.ledger()
    if let program {
        try service.checkScope(program, call)
        let keys = service.node.events.keys(of: program)
        if keys.isEmpty { _ = try service.node.program(program) }
        streams = streams.filter { keys.contains($0.key) }
    }
    streams = streams.filter { stream in
        // What the whole host prints is for those who may read it.
        if stream.key == .tracePipe { return call.caller.role >= .admin && call.caller.scope.isAll }
        return call.sees(stream, service.node)
    }
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
        "program": stream.key.program.isEmpty ? .null : .string(stream.key.program),
        "map": .string(stream.key.map),
        "shared_with": .array(
            stream.sharedWith.map { .string($0.program + "/" + $0.map) }),
        "open": .bool(stream.isOpen), "produced": number(stream.produced),
        "received": JSONValue(stream.received), "journaled": JSONValue(stream.journaled),
        "invalid": .object(invalid), "evicted": JSONValue(stream.evicted),
        "lost": [
            "kernel": number(stream.lostInKernel),
            "unknown_gaps": JSONValue(stream.unknownGaps),
            "journal": JSONValue(stream.lostInJournal),
        ],
        "rate_limited": number(stream.rateLimited),
        "oldest_seq": JSONValue(stream.oldestSequence),
        "next_seq": JSONValue(stream.nextSequence),
        "retained_bytes": JSONValue(stream.retainedBytes),
        "readers": .array(
            stream.readers.map { reader in
                [
                    "id": JSONValue(reader.id), "journaled": JSONValue(reader.journaled),
                    "delivered": JSONValue(reader.delivered),
                    "filtered": JSONValue(reader.filtered), "lost": JSONValue(reader.lost),
                    "pending": JSONValue(reader.pending),
                ]
            }),
    ]
}
