internal import JSON
public import Problems

/// A problem as it is kept in the registry beside what is `failed`.
enum StoredProblem {
    static func text(_ problem: Problem) -> String {
        var document = JSONObject()
        document["code"] = .string(problem.type.code)
        document["detail"] = .string(problem.detail)
        document["errno"] = problem.errno.map { .string($0) }
        document["verifier_log"] = problem.verifierLog.map { .string($0) }
        document["libbpf_log"] = problem.libbpfLog.map { .string($0) }
        document["hint"] = problem.hint.map { .string($0) }
        return String(decoding: JSONValue.object(document).serialized(), as: UTF8.self)
    }

    static func problem(_ text: String?) -> Problem? {
        guard let text else { return nil }
        let document: JSONValue
        // What an older release wrote may be no document: then it is the detail.
        do { document = try JSONValue.parse(text) } catch { document = .null }
        let type = ProblemType.all.first { $0.code == document["code"]?.string } ?? .internalError
        var problem = Problem(
            type, document["detail"]?.string ?? text, errno: document["errno"]?.string,
            hint: document["hint"]?.string)
        problem.verifierLog = document["verifier_log"]?.string
        problem.libbpfLog = document["libbpf_log"]?.string
        return problem
    }
}

extension ProgramView {
    /// Why it is `failed`.
    public var problem: Problem? { StoredProblem.problem(row.problem) }
}

extension ProbeView {
    /// Why it is `failed`.
    public var problem: Problem? { StoredProblem.problem(row.problem) }
}
