public import JSON
internal import Loading
internal import Problems

/// The kinds of attachment, by api.md's names, that this release can make.
public enum AttachKind: String, Sendable, CaseIterable {
    case tracepoint
    case rawTracepoint = "raw_tracepoint"
    case tpBTF = "tp_btf"
    case uprobe, uretprobe
}

/// Where a function is to be attached, as a client says and reads it.
public struct AttachDocument: Sendable, Hashable {
    public var kind: AttachKind
    /// tracepoint: its group.
    public var category: String?
    /// tracepoint, raw_tracepoint.
    public var name: String?
    /// uprobe, uretprobe: an absolute path.
    public var binary: String?
    public var symbol: String?
    /// Bytes from the symbol, or where there is none from the start of the file.
    public var offset: UInt64?
    /// Only this process; nil: all.
    public var processID: Int32?
    /// Given to the program by `bpf_get_attach_cookie`.
    public var cookie: UInt64?

    init(kind: AttachKind) { self.kind = kind }

    /// As JSON: the members of its kind, in one order.
    public var json: JSONObject {
        var document = JSONObject()
        document["kind"] = .string(kind.rawValue)
        document["category"] = category.map { .string($0) }
        document["name"] = name.map { .string($0) }
        document["binary"] = binary.map { .string($0) }
        document["symbol"] = symbol.map { .string($0) }
        document["offset"] = offset.map { JSONValue($0) }
        document["pid"] = processID.map { JSONValue($0) }
        document["cookie"] = cookie.map { JSONValue($0) }
        return document
    }

    var text: String { String(decoding: JSONValue.object(json).serialized(), as: UTF8.self) }

    private static let members: [AttachKind: Set<String>] = [
        .tracepoint: ["kind", "category", "name", "cookie"],
        .rawTracepoint: ["kind", "name", "cookie"],
        .tpBTF: ["kind", "cookie"],
        .uprobe: ["kind", "binary", "symbol", "offset", "pid", "cookie"],
        .uretprobe: ["kind", "binary", "symbol", "offset", "pid", "cookie"],
    ]

    /// Reads the `attach` member of a request for `function`; an empty one means what the
    /// function's section name says, a `kind` alone takes the rest from there where the kinds
    /// agree.
    init(_ document: JSONObject, for function: LoadReport.Function, at pointer: JSONPointer)
        throws(Problem)
    {
        let section = SectionName(function.section).document
        guard let kindValue = document["kind"] else {
            if let stray = document.members.first {
                throw Problem(
                    .invalidMember, "attach has \"\(stray.name)\" but no \"kind\": name the kind.",
                    pointer: pointer.description)
            }
            guard let section else { throw Self.sectionSaysTooLittle(function, pointer) }
            self = section
            try checkComplete(function, pointer)
            return
        }
        let kind = try Self.kind(kindValue, at: pointer.appending("kind"))
        self.init(kind: kind)
        let allowed = Self.members[kind] ?? []
        for member in document.members where !allowed.contains(member.name) {
            throw Problem(
                .unknownMember,
                "\"\(member.name)\" is not a member of attach for \(kind.rawValue): it takes "
                    + allowed.sorted().joined(separator: ", ") + ".",
                pointer: pointer.appending(member.name).description)
        }
        category = try Self.text("category", document, pointer)
        name = try Self.text("name", document, pointer)
        binary = try Self.text("binary", document, pointer)
        symbol = try Self.text("symbol", document, pointer)
        offset = try Self.unsigned("offset", document, pointer)
        cookie = try Self.unsigned("cookie", document, pointer)
        if let pid = try Self.unsigned("pid", document, pointer) {
            guard pid > 0, let exact = Int32(exactly: pid) else {
                throw Problem(
                    .invalidMember, "\(pid) is not a process id: 1 to 2147483647.",
                    pointer: pointer.appending("pid").description)
            }
            processID = exact
        }
        if document.count == 1, let section, section.kind == kind { self = section }
        try checkComplete(function, pointer)
    }

    /// Reads a stored document.
    init(stored text: String) throws(Problem) {
        do {
            let document = try JSONValue.parse(text).object ?? JSONObject()
            self.init(
                kind: document["kind"]?.string.flatMap(AttachKind.init(rawValue:)) ?? .tracepoint)
            category = document["category"]?.string
            name = document["name"]?.string
            binary = document["binary"]?.string
            symbol = document["symbol"]?.string
            offset = document["offset"]?.uint64
            processID = document["pid"]?.int.flatMap { Int32(exactly: $0) }
            cookie = document["cookie"]?.uint64
        } catch {
            throw Problem(
                .internalError, "The registry's attach document is not readable.", cause: error)
        }
    }

    private func checkComplete(_ function: LoadReport.Function, _ pointer: JSONPointer)
        throws(Problem)
    {
        var missing: String?
        switch kind {
        case .tracepoint: missing = category == nil ? "category" : name == nil ? "name" : nil
        case .rawTracepoint: missing = name == nil ? "name" : nil
        case .tpBTF: break
        case .uprobe, .uretprobe:
            missing =
                binary == nil ? "binary" : symbol == nil && offset == nil ? "symbol or offset" : nil
        }
        if let missing {
            throw Problem(
                .invalidMember,
                "attach for \(kind.rawValue) needs \(missing), and the section name "
                    + "\"\(function.section)\" "
                    + "of \(function.name) does not say it.",
                pointer: pointer.description)
        }
        if let binary, !binary.hasPrefix("/") {
            throw Problem(
                .invalidMember,
                "binary \"\(binary)\" is not an absolute path and was not found in the library "
                    + "and program directories.",
                pointer: pointer.appending("binary").description)
        }
    }

    private static func kind(_ value: JSONValue, at pointer: JSONPointer) throws(Problem)
        -> AttachKind
    {
        guard let name = value.string else {
            throw Problem(
                .invalidMember, "kind is a \(value.typeName), it must be a string.",
                pointer: pointer.description)
        }
        guard let kind = AttachKind(rawValue: name) else {
            let known = AttachKind.allCases.map(\.rawValue)
            let near = NearMatches.find(name, among: known)
            throw Problem(
                .invalidMember,
                "\"\(name)\" is not a kind that can be attached: " + known.joined(separator: ", ")
                    + ".", pointer: pointer.description,
                hint: near.first.map { "Did you mean \"\($0)\"?" })
        }
        return kind
    }

    private static func text(_ name: String, _ document: JSONObject, _ pointer: JSONPointer)
        throws(Problem) -> String?
    {
        guard let value = document[name] else { return nil }
        guard let text = value.string, !text.isEmpty else {
            throw Problem(
                .invalidMember, "\(name) must be a string that is not empty.",
                pointer: pointer.appending(name).description)
        }
        return text
    }

    private static func unsigned(_ name: String, _ document: JSONObject, _ pointer: JSONPointer)
        throws(Problem) -> UInt64?
    {
        guard let value = document[name] else { return nil }
        guard let number = value.uint64 else {
            throw Problem(
                .invalidMember, "\(name) must be an integer from 0 to 18446744073709551615.",
                pointer: pointer.appending(name).description)
        }
        return number
    }

    private static func sectionSaysTooLittle(
        _ function: LoadReport.Function, _ pointer: JSONPointer
    ) -> Problem {
        Problem(
            .invalidMember,
            "The section name \"\(function.section)\" of \(function.name) does not say where to "
                + "attach it: "
                + "give attach with its kind and parameters.", pointer: pointer.description)
    }
}
