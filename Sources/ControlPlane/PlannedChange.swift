public import JSON

/// What an apply does, or would do, with one program, probe or map.
public struct PlannedChange: Sendable, Hashable {
    public enum Action: String, Sendable, CaseIterable { case create, replace, delete, none }
    public enum Kind: String, Sendable, CaseIterable { case program, probe, map }

    public var action: Action
    public var kind: Kind
    /// A program's name, a probe's id, `program/map`.
    public var name: String
    /// A sentence: why.
    public var reason: String
    /// Member by member; empty where nothing differs.
    public var differences: [Difference]

    init(
        _ action: Action, _ kind: Kind, _ name: String, _ reason: String,
        _ differences: [Difference] = []
    ) {
        self.action = action
        self.kind = kind
        self.name = name
        self.reason = reason
        self.differences = differences
    }

    /// `programs/x`, `probes/x.f`, `maps/x/m`, as the audit log names it.
    var subject: String { "\(kind.rawValue)s/\(name)" }

    /// Differences that an answer lists of one change; the rest is counted.
    public static let differenceLimit = 100
}

/// One member that is other than declared.
public struct Difference: Sendable, Hashable {
    /// Into the resource's document: `/globals/target_pid`.
    public var pointer: JSONPointer
    /// As it is; nil: not there.
    public var before: JSONValue?
    /// As declared; nil: not to be there.
    public var after: JSONValue?

    init(_ pointer: JSONPointer, _ before: JSONValue?, _ after: JSONValue?) {
        self.pointer = pointer
        self.before = before
        self.after = after
    }

    /// Where two documents differ: by the members of objects; arrays are compared whole.
    static func between(
        _ before: JSONValue?, _ after: JSONValue?, at pointer: JSONPointer = .root
    ) -> [Difference] {
        if before == after { return [] }
        guard let old = before?.object, let new = after?.object else {
            return [Difference(pointer, before, after)]
        }
        var found: [Difference] = []
        for member in old {
            let place = pointer.appending(member.name)
            found += between(member.value, new[member.name], at: place)
        }
        for member in new where old[member.name] == nil {
            found.append(Difference(pointer.appending(member.name), nil, member.value))
        }
        return found
    }

    static func labels(_ before: [String: String], _ after: [String: String]) -> [Difference] {
        between(Self.document(before), Self.document(after), at: .root.appending("labels"))
    }

    static func owner(_ before: String?, _ after: String) -> [Difference] {
        before == after
            ? []
            : [Difference(.root.appending("owner"), before.map { .string($0) }, .string(after))]
    }

    private static func document(_ labels: [String: String]) -> JSONValue {
        var document = JSONObject()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            document[name] = .string(value)
        }
        return .object(document)
    }
}

/// What an apply came to.
public struct ApplyOutcome: Sendable {
    public var changes: [PlannedChange]
    /// Whether anything changed, or with a dry run would: false where all is as declared.
    public var changed: Bool
    public var revision: Int64
}
