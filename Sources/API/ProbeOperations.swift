internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

@Sendable func listProbes(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let labels = try call.labels
    let program = try call.parameter("program")
    let function = try call.parameter("function")
    let kind = try call.filter("kind", among: AttachKinds.names)
    let state = try call.filter("state", among: ["attached", "disabled", "failed"])
    let probes = service.node.probes().filter { probe in
        call.sees(probe.row.program, service.node) && matches(probe.row.labels, labels)
            && (program ?? probe.row.program) == probe.row.program
            && (function ?? probe.row.function) == probe.row.function
            && (kind ?? probe.attach.kindName) == probe.attach.kindName
            && (state ?? probe.state.rawValue) == probe.state.rawValue
    }
    return try .page(of: probes, by: \.row.id, call, document)
}

@Sendable func getProbe(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let probe = try service.node.probe(call.variables[0])
    return try .resource(document(of: probe), revision: probe.row.revision, call)
}

@Sendable func putProbe(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try change(try request(call, id: call.variables[0]), service, call)
}

@Sendable func postProbe(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    try change(try request(call, id: nil), service, call)
}

private func request(_ call: Call, id: String?) throws(Problem) -> ProbeChange {
    try probeChange(
        try call.document(), id: id, conditions: try call.conditions,
        isDryRun: try call.isDryRun)
}

/// What a document says of a probe beside its id: a request's, or a part of a manifest.
func probeChange(
    _ document: JSONObject, id: String?, conditions: Conditions, isDryRun: Bool
) throws(Problem) -> ProbeChange {
    let fields = try Fields(
        document, known: ["program", "function", "attach", "enabled", "labels", "when_gone"])
    var attach = try fields.object("attach") ?? JSONObject()
    // Whoever looks for it among the target's members is understood.
    let inAttach = attach["when_gone"]?.string.flatMap(ProbeChange.WhenGone.init(rawValue:))
    if inAttach != nil { attach["when_gone"] = nil }
    return ProbeChange(
        id: id, program: try fields.requiredString("program"),
        function: try fields.requiredString("function"),
        attach: attach, isEnabled: try fields.bool("enabled") ?? true,
        labels: try fields.labels("labels") ?? [:],
        whenGone: try fields.choice("when_gone", of: ProbeChange.WhenGone.self) ?? inAttach
            ?? .fail,
        conditions: conditions, isDryRun: isDryRun)
}

private func change(_ change: ProbeChange, _ service: Service, _ call: Call) throws(Problem)
    -> Answer
{
    try service.checkScope(change.program, call)
    if let target = change.attach["program"]?.string { try service.checkScope(target, call) }
    if let map = change.attach["map"]?.string, map.contains("/") {
        try service.checkScope(String(map.prefix { $0 != "/" }), call)
    }
    return try answer(try service.node.putProbe(change, call.origin), call)
}

private func answer(_ outcome: ProbeOutcome, _ call: Call) throws(Problem) -> Answer {
    let isDryRun = try call.isDryRun
    return try .change(
        document(of: outcome.probe), revision: outcome.probe.row.revision,
        changed: outcome.changed, created: outcome.created && !isDryRun,
        at: "/v1/probes/\(outcome.probe.row.id)", call)
}

@Sendable func patchProbe(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let fields = try Fields(try call.document(), known: ["enabled", "labels", "when_gone"])
    let isEnabled = try fields.bool("enabled")
    var changes: [String: String?]?
    if let labels = try fields.object("labels") {
        changes = try Fields.labels(labels, at: .root.appending("labels"))
    }
    let whenGone = try fields.choice("when_gone", of: ProbeChange.WhenGone.self)
    guard isEnabled != nil || changes != nil || whenGone != nil else {
        throw Problem(
            .invalidMember, "Give \"enabled\", \"labels\" or \"when_gone\".", pointer: "")
    }
    let outcome = try service.node.patchProbe(
        call.variables[0], try call.conditions, isDryRun: try call.isDryRun, call.origin,
        isEnabled: isEnabled, whenGone: whenGone
    ) { [changes] labels in labels.applying(changes ?? [:]) }
    return try answer(outcome, call)
}

@Sendable func getProbeOutput(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    Answer(body: .text(try service.node.output(ofProbe: call.variables[0])))
}

@Sendable func deleteProbe(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let id = call.variables[0]
    let missingIsFine = try call.flag("missing_ok")
    let probe: ProbeView
    do { probe = try service.node.probe(id) } catch {
        if missingIsFine { return .noContent }
        throw error
    }
    let removed = try service.node.deleteProbes(
        [id], ofProgram: probe.row.program, try call.conditions, isDryRun: try call.isDryRun,
        call.origin)
    guard !removed.isEmpty || missingIsFine else {
        throw Problem(.notFound, "There is no probe \(id).")
    }
    return .noContent
}

@Sendable func deleteProbes(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    guard let program = try call.parameter("program") else {
        throw Problem(
            .invalidParameter,
            "program is missing: DELETE /v1/probes?program=NAME detaches its probes.")
    }
    let missingIsFine = try call.flag("missing_ok")
    try service.checkScope(program, call)
    do { _ = try service.node.program(program) } catch {
        if missingIsFine { return .noContent }
        throw error
    }
    let ids = service.node.probes().filter { $0.row.program == program }.map(\.row.id)
    _ = try service.node.deleteProbes(
        ids, ofProgram: program, try call.conditions, isDryRun: try call.isDryRun, call.origin)
    return .noContent
}

private func document(of probe: ProbeView) -> JSONObject {
    var document = JSONObject()
    document["id"] = .string(probe.row.id)
    document["program"] = .string(probe.row.program)
    document["function"] = .string(probe.row.function)
    document["attach"] = .object(probe.attach.json)
    document["enabled"] = .bool(probe.row.enabled)
    document["labels"] = labelsDocument(probe.row.labels)
    document["when_gone"] = .string(probe.row.whenGone.rawValue)
    document["owner"] = JSONValue(probe.owner)
    document["state"] = .string(probe.state.rawValue)
    document["problem"] = probe.problem.map { .object($0.document(requestID: nil)) }
    document["link"] = link(of: probe)
    document["statistics"] = statistics(probe.program)
    document["created_at"] = Timestamp(nanoseconds: probe.row.createdAtNanoseconds).json
    document["revision"] = .string(String(probe.row.revision))
    return document
}

private func link(of probe: ProbeView) -> JSONValue {
    guard let link = probe.link else { return .null }
    var document = JSONObject()
    document["kernel_id"] = link.id == 0 ? .null : JSONValue(link.id)
    if probe.linkIDs.count > 1 {
        document["kernel_ids"] = .array(probe.linkIDs.map { JSONValue($0) })
    }
    document["type"] = .string(link.typeName)
    document["pinned"] = .bool(probe.isPinned)
    return .object(document)
}
