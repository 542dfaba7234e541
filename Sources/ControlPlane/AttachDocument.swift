public import JSON
internal import Loading
internal import Problems

/// Where a function is to be attached, as a client says and reads it: the kind, and its members in
/// the kind's order.
public struct AttachDocument: Sendable, Hashable {
    let kind: any AttachKind
    /// Without `kind`.
    let members: JSONObject

    /// api.md's word, `raw_tracepoint`.
    public var kindName: String { kind.name }

    /// As JSON.
    public var json: JSONObject {
        var document = JSONObject()
        document["kind"] = .string(kind.name)
        for member in members { document[member.name] = member.value }
        return document
    }

    var text: String { String(decoding: JSONValue.object(json).serialized(), as: UTF8.self) }

    public static func == (one: AttachDocument, other: AttachDocument) -> Bool {
        one.kind.name == other.kind.name && one.members == other.members
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind.name)
        hasher.combine(members)
    }

    /// Reads the `attach` member of a request for `function`.
    ///
    /// Without `kind` it is the one that the function's section name says. What else that says is
    /// taken where the document says nothing of it.
    init(_ document: JSONObject, for function: LoadReport.Function, at pointer: JSONPointer)
        throws(Problem)
    {
        let section = SectionName(of: function)
        if let value = document["kind"] {
            kind = try Self.kind(value, at: pointer.appending("kind"))
        } else {
            guard let section else { throw Self.sectionSaysNoKind(function, pointer) }
            kind = section.kind
        }
        var given = document
        given["kind"] = nil
        if let section, section.kind.name == kind.name, Self.complete(given, section.members, kind)
        {
            for member in section.members { given[member.name] = member.value }
        }
        try Self.checkKind(kind, fits: function)
        try Self.check(given, of: kind, at: pointer)
        try Self.checkFixed(given, of: kind, function, pointer)
        for member in kind.fixed(for: function) { given[member.name] = member.value }
        members = Self.ordered(given, kind)
        try checkComplete(function, pointer)
    }

    /// Whether a document and what the section says are two parts of one place: no member is in
    /// both, and none excludes one of the other's.
    private static func complete(
        _ given: JSONObject, _ section: JSONObject, _ kind: any AttachKind
    ) -> Bool {
        section.members.allSatisfy { member in
            given[member.name] == nil
                && !kind.excludes.contains { group in
                    group.contains(member.name) && group.contains { given[$0] != nil }
                }
        }
    }

    /// Where functions are attached that have nothing but their section names: the rule of
    /// `attach: auto`.
    ///
    /// What nobody attaches from outside (tail calls, programs of devmaps) is left to them. All
    /// functions of a struct_ops map are registered at once, with the map, by the first of them.
    /// - Parameter others: the places of the program's probes that are there.
    static func bySection(
        _ functions: [LoadReport.Function], beside others: [AttachDocument] = []
    ) throws(Problem) -> [(function: LoadReport.Function, document: AttachDocument)] {
        var places: [(function: LoadReport.Function, document: AttachDocument)] = []
        for function in functions where Unattachable.reason(function) == nil {
            let document = try AttachDocument(
                JSONObject(), for: function, at: .root.appending("attach"))
            let isRegistered =
                document.kind.name == "struct_ops"
                && (others + places.map(\.document)).contains(document)
            if !isRegistered { places.append((function, document)) }
        }
        return places
    }

    /// Reads a stored document.
    init(stored text: String) throws(Problem) {
        do {
            var document = try JSONValue.parse(text).object ?? JSONObject()
            let name = document["kind"]?.string ?? "none"
            guard let kind = AttachKinds.named(name) else {
                throw Problem(.internalError, "This release knows no attach kind \(name).")
            }
            document["kind"] = nil
            self.kind = kind
            members = document
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(
                .internalError, "The registry's attach document is not readable.", cause: error)
        }
    }

    /// Whether what the document says of the load is so of another load's function too.
    func isAsFixed(for function: LoadReport.Function) -> Bool {
        kind.fixed(for: function).members.allSatisfy { members[$0.name] == $0.value }
    }

    /// For a row whose own document cannot be read.
    static let unreadable = AttachDocument(kind: TracepointKind(), members: JSONObject())

    private init(kind: any AttachKind, members: JSONObject) {
        self.kind = kind
        self.members = members
    }

    /// - Throws: `wrong_kind` with the kinds that fit.
    static func checkKind(_ kind: any AttachKind, fits function: LoadReport.Function)
        throws(Problem)
    {
        guard !kind.fits(function) else { return }
        if let reason = Unattachable.reason(function) { throw nowhere(function, reason) }
        let fitting = AttachKinds.fitting(function).map(\.name)
        throw Problem(
            .wrongKind,
            "\(function.name) (section \"\(function.section)\") is of type \(function.type), which "
                + "cannot be attached as \(kind.name)"
                + (fitting.isEmpty ? "." : ": " + fitting.joined(separator: ", ") + " can be."),
            pointer: "/attach/kind")
    }

    private static func nowhere(_ function: LoadReport.Function, _ reason: String) -> Problem {
        Problem(
            .wrongKind,
            "\(function.name) (section \"\(function.section)\") is attached by nobody from "
                + "outside: "
                + reason + ".", pointer: "/attach")
    }

    private static func ordered(_ given: JSONObject, _ kind: any AttachKind) -> JSONObject {
        var members = JSONObject()
        for member in kind.members {
            if let value = given[member.name] { members[member.name] = value }
        }
        return members
    }

    private static func check(
        _ given: JSONObject, of kind: any AttachKind, at pointer: JSONPointer
    ) throws(Problem) {
        for member in given {
            guard let known = kind.members.first(where: { $0.name == member.name }) else {
                let names = kind.members.map(\.name)
                let near = NearMatches.find(member.name, among: names)
                throw Problem(
                    .unknownMember,
                    "\"\(member.name)\" is not a member of attach for \(kind.name): it takes "
                        + (["kind"] + names).joined(separator: ", ") + ".",
                    pointer: pointer.appending(member.name).description,
                    hint: near.first.map { "Did you mean \"\($0)\"?" })
            }
            try known.check(member.value, at: pointer)
        }
        for group in kind.excludes {
            let both = group.filter { given[$0] != nil }
            if both.count > 1 {
                throw Problem(
                    .invalidMember,
                    "attach has \(both.joined(separator: " and ")): give one of them.",
                    pointer: pointer.appending(both[1]).description)
            }
        }
    }

    /// - Throws: `wrong_kind` where the document asks for another target than the load has fixed.
    private static func checkFixed(
        _ given: JSONObject, of kind: any AttachKind, _ function: LoadReport.Function,
        _ pointer: JSONPointer
    ) throws(Problem) {
        let fixed = kind.fixed(for: function)
        for member in given where member.name == "target" && fixed["target"] != member.value {
            let asked = member.value.string ?? ""
            throw Problem(
                .wrongKind,
                "\(function.name) was loaded for \(kind.name)/\(function.target ?? "?"), the "
                    + "kernel "
                    + "fixes that at load: load it with functions.targets "
                    + "{\"\(function.name)\": \"\(asked)\"}.",
                pointer: pointer.appending("target").description)
        }
    }

    private func checkComplete(_ function: LoadReport.Function, _ pointer: JSONPointer)
        throws(Problem)
    {
        let missing = kind.needs.filter { group in group.allSatisfy { members[$0] == nil } }
        guard !missing.isEmpty else { return }
        let wanted = missing.map { $0.joined(separator: " or ") }.joined(separator: ", ")
        let example = missing.compactMap { $0.first }.map { ",\"\($0)\":…" }.joined()
        throw Problem(
            .invalidMember,
            "attach for \(kind.name) needs \(wanted), and the section name "
                + "\"\(function.section)\" of \(function.name) does not say it: give "
                + "\"attach\":{\"kind\":\"\(kind.name)\"\(example)}.",
            pointer: pointer.description)
    }

    private static func kind(_ value: JSONValue, at pointer: JSONPointer) throws(Problem)
        -> any AttachKind
    {
        guard let name = value.string else {
            throw Problem(
                .invalidMember, "kind is a \(value.typeName), it must be a string.",
                pointer: pointer.description)
        }
        guard let kind = AttachKinds.named(name) else {
            let near = NearMatches.find(name, among: AttachKinds.names)
            throw Problem(
                .invalidMember,
                "\"\(name)\" is not a kind that can be attached: "
                    + AttachKinds.names.joined(separator: ", ") + ".",
                pointer: pointer.description,
                hint: near.first.map { "Did you mean \"\($0)\"?" })
        }
        return kind
    }

    private static func sectionSaysNoKind(
        _ function: LoadReport.Function, _ pointer: JSONPointer
    ) -> Problem {
        if let reason = Unattachable.reason(function) { return nowhere(function, reason) }
        let fitting = AttachKinds.fitting(function).map(\.name)
        return Problem(
            .invalidMember,
            "The section name \"\(function.section)\" of \(function.name) does not say where "
                + "to attach it: "
                + "give attach with its kind"
                + (fitting.isEmpty ? "" : " (\(fitting.joined(separator: ", ")))")
                + " and parameters.", pointer: pointer.description)
    }
}
