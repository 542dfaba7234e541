internal import Assets
internal import ControlPlane
internal import JSON
internal import Problems

@Sendable func getService(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    var links = JSONObject()
    for (name, path) in [
        ("health", "/v1/health"), ("ready", "/v1/ready"), ("metrics", "/metrics"),
        ("host", "/v1/host"),
        ("openapi", "/v1/openapi.json"), ("programs", "/v1/programs"), ("probes", "/v1/probes"),
        ("maps", "/v1/maps"), ("events", "/v1/events"), ("ledger", "/v1/events/ledger"),
        ("objects", "/v1/objects"), ("tokens", "/v1/tokens"), ("audit", "/v1/audit"),
        ("problems", "/problems"),
    ] {
        links[name] = .string(path)
    }
    return .json([
        "service": "apiary", "version": .string(service.version), "links": .object(links),
    ])
}

@Sendable func getHealth(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    .json(["status": "ok"])
}

@Sendable func getReady(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    guard service.node.isReady else {
        throw Problem(.notReady, "What is registered is still being adopted or loaded.")
    }
    return .json(["ready": true])
}

/// Answers before it stops: the server lets running requests come to their end.
@Sendable func postShutdown(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let isDetaching = try call.flag("detach")
    let isDryRun = try call.isDryRun
    var document = JSONObject()
    document["stopping"] = .bool(!isDryRun)
    document["detach"] = .bool(isDetaching)
    if isDryRun {
        document["dry_run"] = true
    } else {
        service.node.orderStop(isDetaching: isDetaching, call.origin)
    }
    return Answer(status: 202, body: .json(JSONValue.object(document).serialized()))
}

@Sendable func getOpenAPI(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    Answer(body: .json(Asset.openAPI.bytes))
}

@Sendable func listProblems(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    .json([
        "items": .array(ProblemType.all.map(document)), "next_cursor": nil, "revision": nil,
    ])
}

@Sendable func getProblem(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let code = call.variables[0]
    guard let type = ProblemType.all.first(where: { $0.code == code }) else {
        throw Problem(.notFound, "There is no problem \(code).", hint: "GET /problems lists them.")
    }
    return .json(document(of: type))
}

private func document(of type: ProblemType) -> JSONValue {
    [
        "type": .string("/problems/\(type.code)"), "code": .string(type.code),
        "status": JSONValue(type.status), "title": .string(type.title),
        "advice": .string(type.advice), "retryable": .bool(type.retryable),
    ]
}
