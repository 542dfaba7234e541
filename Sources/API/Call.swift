internal import ControlPlane
internal import HTTP
internal import JSON
internal import Problems
internal import YAML

/// One request on its way through an operation: what the head says, checked, and the body.
struct Call: Sendable {
    /// The daemon's revision when the request came in.
    let revision: Int64
    let route: Route
    let head: RequestHead
    let variables: [String]
    let body: Request.Body
    let caller: Caller

    /// Who asks, for the audit log.
    var origin: ChangeOrigin {
        ChangeOrigin(
            requestID: head.requestID, actor: caller.actor, action: route.operation,
            peer: head.peer.text)
    }

    // MARK: Query

    /// The only value of a parameter that may be given once.
    func parameter(_ name: String) throws(Problem) -> String? {
        let values = head.query.filter { $0.name == name }
        guard values.count <= 1 else {
            throw Problem(
                .invalidParameter, "\(name) is given \(values.count) times: give it once.")
        }
        return values.first?.value
    }

    func parameters(_ name: String) -> [String] {
        head.query.filter { $0.name == name }.map(\.value)
    }

    func flag(_ name: String, default fallback: Bool = false) throws(Problem) -> Bool {
        switch try parameter(name) {
        case nil: return fallback
        case "true", "": return true
        case "false": return false
        case let other?:
            throw Problem(.invalidParameter, "\(name)=\(other) is not allowed: true or false.")
        }
    }

    func choice<C: RawRepresentable & CaseIterable>(_ name: String, default fallback: C)
        throws(Problem) -> C where C.RawValue == String
    {
        guard let text = try parameter(name) else { return fallback }
        guard let choice = C(rawValue: text) else {
            throw Problem(
                .invalidParameter,
                "\(name)=\(text) is not allowed: "
                    + C.allCases.map(\.rawValue).joined(separator: ", ") + ".")
        }
        return choice
    }

    /// The value of a list's filter whose values are few; a misspelt one would find nothing.
    func filter(_ name: String, among known: [String]) throws(Problem) -> String? {
        guard let text = try parameter(name), !known.contains(text) else {
            return try parameter(name)
        }
        throw Problem(
            .invalidParameter,
            "\(name)=\(text) is not allowed: " + known.joined(separator: ", ") + ".")
    }

    func number(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = try parameter(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            let bound =
                range.upperBound == .max
                ? "of \(range.lowerBound) or more"
                : "from \(range.lowerBound) to \(range.upperBound)"
            throw Problem(.invalidParameter, "\(name)=\(text) is not allowed: an integer \(bound).")
        }
        return number
    }

    var isDryRun: Bool { get throws(Problem) { try flag("dry_run") } }

    var int64: Int64Style {
        get throws(Problem) {
            switch try parameter("int64") {
            case nil, "number": return .number
            case "string": return .string
            case let other?:
                throw Problem(
                    .invalidParameter, "int64=\(other) is not allowed: number, string.")
            }
        }
    }

    /// `?label=k=v`, all of which a resource must have, or which a load sets.
    var labels: [String: String] {
        get throws(Problem) {
            var labels: [String: String] = [:]
            for text in parameters("label") {
                let parts = text.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty else {
                    throw Problem(.invalidParameter, "label=\(text) is not of the form name=value.")
                }
                labels[String(parts[0])] = String(parts[1])
            }
            return labels
        }
    }

    // MARK: Conditions

    /// `If-Match` and `If-None-Match: *`.
    var conditions: Conditions {
        get throws(Problem) {
            var conditions = Conditions()
            if let text = head.header("if-match") {
                conditions.ifMatch =
                    text == "*" ? .any : .revisions(try EntityTag.all(of: text).map(\.version))
            }
            if let text = head.header("if-none-match") {
                guard text == "*" else {
                    throw Problem(
                        .malformedRequest,
                        "If-None-Match on a change takes only *, which means: create, do not "
                            + "replace."
                    )
                }
                conditions.ifAbsent = true
            }
            return conditions
        }
    }

    /// Whether `Prefer: return=representation` (RFC 7240) is asked for.
    var prefersRepresentation: Bool {
        head.header("prefer")?.contains("return=representation") ?? false
    }

    // MARK: Body

    /// application/yaml is RFC 9512's.
    static let yamlTypes: Set<String> = [
        "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml",
    ]

    /// The body as one object, from JSON, or with one of `yamlTypes` from YAML.
    func manifestDocument() throws(Problem) -> JSONObject {
        let type = (head.header("content-type") ?? "").prefix { $0 != ";" && $0 != " " }
        guard Self.yamlTypes.contains(type.lowercased()) else { return try document() }
        guard case .bytes(let bytes) = body else {
            throw Problem(.malformedYAML, "The body is empty: send a YAML mapping.")
        }
        return try Self.manifest(yaml: bytes)
    }

    static func manifest(yaml bytes: [UInt8]) throws(Problem) -> JSONObject {
        let value: JSONValue
        do { value = try YAMLDocument.parse(bytes) } catch {
            throw Problem(
                .malformedYAML, "The document is not acceptable YAML: \(error.reason).",
                cause: error)
        }
        guard let object = value.object else {
            throw Problem(
                .malformedYAML, "The document is a YAML \(value.typeName): send a mapping.",
                pointer: "")
        }
        return object
    }

    /// In bytes, of a body that may say nothing.
    static let nothingLimit = 1024

    /// Where the route takes nothing: that the body is none, or `{}`.
    func checkNothing() throws(Problem) {
        guard route.body == .nothing, case .bytes(let bytes) = body, !bytes.isEmpty,
            let member = try Self.manifest(json: bytes).members.first
        else { return }
        throw Problem(
            .unknownMember,
            "\"\(member.name)\" is not a member here: \(route.operation) takes no body, or {}.",
            pointer: JSONPointer.root.appending(member.name).description)
    }

    /// The body as one JSON document that is an object.
    func document() throws(Problem) -> JSONObject {
        guard case .bytes(let bytes) = body, !bytes.isEmpty else {
            throw Problem(.malformedJSON, "The body is empty: send a JSON object.")
        }
        return try Self.manifest(json: bytes)
    }

    static func manifest(json bytes: [UInt8]) throws(Problem) -> JSONObject {
        let value: JSONValue
        do { value = try JSONValue.parse(bytes.span) } catch {
            throw Problem(
                .malformedJSON,
                "The body is not acceptable JSON: \(error.reason), at byte \(error.offset).",
                pointer: error.pointer.description, cause: error)
        }
        guard let object = value.object else {
            throw Problem(
                .malformedJSON, "The body is a JSON \(value.typeName): send an object.", pointer: ""
            )
        }
        return object
    }
}
