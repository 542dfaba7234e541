public import JSON
internal import Loading
public import Problems

/// The programs that a credential is for: all, or those whose names and labels are as it says.
public struct Scope: Sendable, Hashable {
    /// `*` stands for any letters, `?` for one; `nil` for every name.
    public var programs: [String]?
    /// All of which a program must have.
    public var labels: [String: String]

    public static let all = Scope(programs: nil, labels: [:])

    public init(programs: [String]?, labels: [String: String]) {
        self.programs = programs
        self.labels = labels
    }

    public var isAll: Bool { programs == nil && labels.isEmpty }

    /// Whether a name could be one of its programs, whatever the labels.
    public func allows(name: String) -> Bool {
        guard let programs else { return true }
        return programs.contains { pattern in GlobPattern(pattern).matches(name) }
    }

    public func contains(_ name: String, labels: [String: String]) -> Bool {
        allows(name: name) && self.labels.allSatisfy { labels[$0.key] == $0.value }
    }

    /// `{"programs":["team-a.*"],"labels":{"team":"a"}}`; `{}` for all.
    public var json: JSONObject {
        var document = JSONObject()
        if let programs { document["programs"] = .array(programs.map { .string($0) }) }
        if !labels.isEmpty {
            var members = JSONObject()
            for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
                members[name] = .string(value)
            }
            document["labels"] = .object(members)
        }
        return document
    }

    var text: String { String(decoding: JSONValue.object(json).serialized(), as: UTF8.self) }

    /// - Returns: nil where the text is none of ours; then the credential may do nothing.
    init?(stored text: String) {
        let document: JSONValue
        do { document = try JSONValue.parse(text) } catch { return nil }
        programs = document["programs"]?.array?.compactMap(\.string)
        labels = Dictionary(
            (document["labels"]?.object?.members ?? []).compactMap { member in
                member.value.string.map { (member.name, $0) }
            }, uniquingKeysWith: { $1 })
    }
}

/// For whom this thread works: a refusal names others' programs and probes only to whom may see
/// them.
enum Onlooker {
    @TaskLocal static var scope = Scope.all
}

extension Scope {
    /// Runs `body` for somebody of this scope.
    public func whileAsked<R>(_ body: () throws(Problem) -> R) throws(Problem) -> R {
        isAll ? try body() : try Onlooker.$scope.during(self, body)
    }
}

extension Node {
    /// The programs that whoever asks may see.
    func shownPrograms() -> [String] {
        state.withLock { Array($0.programs.keys) }
            .filter { contains(Onlooker.scope, program: $0) }
    }

    /// Whether a program is there that is in the scope.
    public func contains(_ scope: Scope, program name: String) -> Bool {
        if scope.isAll { return true }
        guard scope.allows(name: name) else { return false }
        if scope.labels.isEmpty { return true }
        guard let labels = state.withLock({ $0.programs[name]?.row.labels }) else { return false }
        return scope.contains(name, labels: labels)
    }

    /// The program of a probe.
    public func program(ofProbe id: String) -> String? {
        state.withLock { $0.probes[id]?.row.program }
    }

    public func hasProgram(_ name: String) -> Bool { state.withLock { $0.programs[name] != nil } }
}
