internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

@Sendable func listManifests(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let state = try call.filter("state", among: ManifestFolder.File.State.allCases.map(\.rawValue))
    let files = (service.manifests?.all ?? []).filter {
        (state ?? $0.state.rawValue) == $0.state.rawValue
    }
    return try .page(of: files, by: \.name, call, document)
}

private func document(of file: ManifestFolder.File) -> JSONObject {
    var document = JSONObject()
    document["file"] = .string(file.name)
    document["state"] = .string(file.state.rawValue)
    document["owner"] = JSONValue(file.owner)
    document["digest"] = JSONValue(file.contents?.digest.map { "sha256:" + $0 })
    document["looked_at"] = Timestamp(nanoseconds: file.lookedAtNanoseconds).json
    document["problem"] = file.problem.map { .object($0.document(requestID: nil)) }
    if let outcome = file.outcome, let owner = file.owner {
        let applied = applyDocument(outcome, owner: owner)
        document["changed"] = applied["changed"]
        document["counts"] = applied["counts"]
        document["applied_revision"] = applied["revision"]
    }
    return document
}
