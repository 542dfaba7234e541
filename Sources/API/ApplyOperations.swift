internal import ControlPlane
internal import JSON
internal import Problems

@Sendable func postApply(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let isDryRun = try call.isDryRun
    let reader = ManifestDocument(
        node: service.node, objectsDirectory: service.manifestObjectsDirectory)
    let manifest = try reader.manifest(
        try call.manifestDocument(), owner: try call.parameter("owner"))
    let outcome = try service.node.apply(
        manifest, try call.conditions, isDryRun: isDryRun, call.origin)
    var document = applyDocument(outcome, owner: manifest.owner)
    document["applied"] = .bool(!isDryRun)
    if isDryRun { document["dry_run"] = true }
    return .json(
        .object(document), int64: try call.int64,
        headers: [EntityTag(outcome.revision).header])
}

/// What an apply did, in the order in which it was done.
func applyDocument(_ outcome: ApplyOutcome, owner: String) -> JSONObject {
    var document = JSONObject()
    document["applied"] = true
    document["owner"] = .string(owner)
    document["changed"] = .bool(outcome.changed)
    var counts = JSONObject()
    for action in PlannedChange.Action.allCases {
        counts[action.rawValue] = JSONValue(outcome.changes.filter { $0.action == action }.count)
    }
    document["counts"] = .object(counts)
    document["changes"] = .array(outcome.changes.map { .object(changeDocument($0)) })
    document["revision"] = .string(String(outcome.revision))
    return document
}

private func changeDocument(_ change: PlannedChange) -> JSONObject {
    var document = JSONObject()
    document["action"] = .string(change.action.rawValue)
    document["kind"] = .string(change.kind.rawValue)
    document["name"] = .string(change.name)
    document["reason"] = .string(change.reason)
    let limit = PlannedChange.differenceLimit
    document["diff"] = .array(
        change.differences.prefix(limit).map { difference in
            [
                "pointer": .string(difference.pointer.description),
                "before": difference.before ?? .null, "after": difference.after ?? .null,
            ]
        })
    if change.differences.count > limit {
        document["more_differences"] = JSONValue(change.differences.count - limit)
    }
    return document
}

@Sendable func getState(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let document = try service.node.declaredState(
        ofOwner: try call.parameter("owner"),
        try call.choice("contents", default: StateContents.declared))
    let revision = call.revision
    return try .resource(document, revision: revision, call)
}
