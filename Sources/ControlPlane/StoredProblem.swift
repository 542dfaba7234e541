public import JSON
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
        if !problem.members.isEmpty {
            document["members"] = Problem.Member.object(problem.members).json
        }
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
        for member in document["members"]?.object?.members ?? [] {
            problem.members[member.name] = Problem.Member(json: member.value)
        }
        return problem
    }
}

extension Problem.Member {
    /// As clients see it; an object's members sorted by name.
    public var json: JSONValue {
        switch self {
        case .text(let text): return .string(text)
        case .number(let number): return JSONValue(number)
        case .list(let list): return .array(list.map { .string($0) })
        case .object(let members):
            var object = JSONObject()
            for (name, member) in members.sorted(by: { $0.key < $1.key }) {
                object[name] = member?.json ?? .null
            }
            return .object(object)
        }
    }

    /// nil for null, and for what no member is.
    init?(json: JSONValue) {
        if let text = json.string {
            self = .text(text)
        } else if let number = json.int {
            self = .number(Int64(number))
        } else if let list = json.array {
            self = .list(list.compactMap(\.string))
        } else if let object = json.object {
            var members: [String: Self?] = [:]
            for member in object.members {
                members.updateValue(Self(json: member.value), forKey: member.name)
            }
            self = .object(members)
        } else {
            return nil
        }
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
