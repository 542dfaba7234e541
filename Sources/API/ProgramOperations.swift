internal import ControlPlane
internal import HTTP
internal import JSON
internal import Linux
internal import Problems

@Sendable func listPrograms(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let labels = try call.labels
    let state = try call.filter("state", among: ["loaded", "failed", "deleting"])
    let digest = try call.parameter("digest")
    let programs = service.node.programs().filter { program in
        call.sees(program.row.name, service.node) && matches(program.row.labels, labels)
            && (state ?? program.stateName) == program.stateName
            && (digest ?? program.row.digest) == program.row.digest
    }
    return try .page(of: programs, by: \.row.name, call) { program throws(Problem) in
        try document(of: program)
    }
}

@Sendable func getProgram(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try service.node.program(call.variables[0])
    return try .resource(try document(of: program), revision: program.row.revision, call)
}

@Sendable func putProgram(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let (object, options) = try ProgramRequest.read(call, service.node)
    let isDryRun = try call.isDryRun
    try service.checkScope(call.variables[0], labels: options.labels, call)
    try service.checkScope(of: options, call)
    var origin = call.origin
    origin.digest = object.digest
    let outcome = try service.node.putProgram(
        ProgramChange(
            name: call.variables[0], object: object, options: options,
            conditions: try call.conditions, isDryRun: isDryRun), origin)
    var document = try document(of: outcome.program, withLogs: options.verifierLog == .full)
    if !outcome.replaced.isEmpty {
        document["probes"] = .array(
            outcome.replaced.map { probe in
                let replaced: JSONValue =
                    probe.atomic
                    ? ["atomic": true]
                    : ["atomic": false, "overlap_ns": JSONValue(probe.overlapNanoseconds)]
                return ["id": .string(probe.id), "replaced": replaced]
            })
    }
    return try .change(
        document, revision: outcome.program.row.revision, changed: outcome.changed,
        created: outcome.created && !isDryRun, at: "/v1/programs/\(call.variables[0])", call)
}

@Sendable func patchProgram(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let fields = try Fields(try call.document(), known: ["labels"])
    guard let patch = try fields.object("labels") else { throw fields.missing("labels") }
    let changes = try Fields.labels(patch, at: .root.appending("labels"))
    let name = call.variables[0]
    if !call.caller.scope.isAll {
        let labels = try service.node.program(name).row.labels.applying(changes)
        try service.checkScope(name, labels: labels, call)
    }
    let (program, changed) = try service.node.setLabels(
        ofProgram: name, try call.conditions, isDryRun: try call.isDryRun, call.origin
    ) { labels in labels.applying(changes) }
    return try .change(
        try document(of: program), revision: program.row.revision, changed: changed,
        created: false, at: "/v1/programs/\(name)", call)
}

@Sendable func deleteProgram(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let isDryRun = try call.isDryRun
    let removed = try service.node.deleteProgram(
        call.variables[0], try call.conditions, missingIsFine: try call.flag("missing_ok"),
        purges: try call.flag("purge"), isDryRun: isDryRun, call.origin)
    guard let removed, call.prefersRepresentation || isDryRun else { return .noContent }
    var document = JSONObject()
    document["name"] = .string(removed.name)
    document["probes"] = .array(removed.probes.map { .string($0) })
    document["functions"] = .array(removed.functions.map { .string($0) })
    document["maps"] = .array(removed.maps.map { .string($0) })
    document["changed"] = true
    if isDryRun { document["dry_run"] = true }
    return .json(.object(document))
}

@Sendable func getProgramObject(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try service.node.program(call.variables[0])
    return try objectAnswer(program.row.digest, service, call)
}

/// The bytes of a kept object, under its digest as ETag.
func objectAnswer(_ digest: String, _ service: Service, _ call: Call) throws(Problem) -> Answer {
    let tag = EntityTag(digest)
    if let copy = try Answer.unchanged(since: tag, call) { return copy }
    return Answer(headers: [tag.header], body: .object(try service.node.object(digest)))
}

func number(_ value: (some BinaryInteger)?) -> JSONValue { value.map { JSONValue($0) } ?? .null }

extension ProgramView {
    var stateName: String {
        switch row.state {
        case .active: "loaded"
        case .failed: "failed"
        case .deleting: "deleting"
        }
    }
}

private func document(of program: ProgramView, withLogs: Bool = false) throws(Problem)
    -> JSONObject
{
    var functions: [JSONValue] = []
    for function in program.functions {
        let info = try program.info(of: function.report.name)
        var document = JSONObject()
        document["name"] = .string(function.report.name)
        document["section"] = .string(function.report.section)
        document["type"] = .string(function.report.type)
        document["kernel_id"] = number(function.kernelID)
        document["tag"] = JSONValue(info?.tag)
        document["instructions"] = JSONValue(function.report.instructions)
        document["probes"] = .array(function.probes.map { .string($0) })
        if withLogs, let text = function.report.verifierLog {
            document["verifier_log"] = .string(text)
        }
        functions.append(.object(document))
    }
    var document = JSONObject()
    document["name"] = .string(program.row.name)
    document["state"] = .string(program.stateName)
    document["problem"] = program.problem.map { .object($0.document(requestID: nil)) }
    document["digest"] = .string(program.row.digest)
    document["size_bytes"] = JSONValue(program.row.sizeBytes)
    document["license"] = .string(program.report.license)
    document["loaded_at"] =
        program.row.state == .active
        ? Timestamp(nanoseconds: program.row.loadedAtNanoseconds).json : .null
    document["labels"] = labelsDocument(program.row.labels)
    document["owner"] = JSONValue(program.owner)
    document["functions"] = .array(functions)
    document["maps"] = .array(
        program.maps.map { map in
            [
                "name": .string(map.name), "type": .string(map.info.type.name),
                "kernel_id": JSONValue(map.info.id), "max_entries": JSONValue(map.info.maxEntries),
            ]
        })
    document["globals"] = .array(
        program.globals.map { view in
            [
                "name": .string(view.global.name), "section": .string(view.global.section),
                "type": .string(view.global.type), "value": view.value ?? .null,
            ]
        })
    document["revision"] = .string(String(program.row.revision))
    return document
}

extension [String: String] {
    /// Sets what has a value and removes what has none.
    func applying(_ changes: [String: String?]) -> [String: String] {
        var labels = self
        for (name, value) in changes { labels[name] = value }
        return labels
    }
}
